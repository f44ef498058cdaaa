import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.opensearch.Version;
import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.plugins.PluginInfo;

/**
 * Runs one OpenSearch node from the jars on Maven Central, which lack the distribution's own
 * launcher. Its modules are on the class path and are named here, as plugins.
 *
 * <p>Arguments: the home (it has {@code config}), then {@code setting=value} as often as wanted.
 */
public final class OpenSearchMain {
    private static final List<String> MODULES =
            List.of(
                    "org.opensearch.transport.Netty4ModulePlugin",
                    "org.opensearch.index.reindex.ReindexModulePlugin",
                    "org.opensearch.index.mapper.MapperExtrasModulePlugin",
                    "org.opensearch.painless.PainlessModulePlugin",
                    "org.opensearch.analysis.common.CommonAnalysisModulePlugin",
                    "org.opensearch.ingest.common.IngestCommonModulePlugin",
                    "org.opensearch.geo.GeoModulePlugin");

    private OpenSearchMain() {}

    /** The constructor that takes modules is for subclasses. */
    private static final class ModularNode extends Node {
        ModularNode(Environment environment, List<PluginInfo> modules) {
            super(environment, modules, true);
        }
    }

    public static void main(String[] args) throws Exception {
        LogConfigurator.configureWithoutConfig(
                Settings.builder().put("logger.level", "INFO").build());
        Path home = Path.of(args[0]);
        Environment environment =
                InternalSettingsPreparer.prepareEnvironment(
                        Settings.builder().put("path.home", args[0]).build(),
                        settings(args),
                        home.resolve("config"),
                        () -> "node-0");
        Node node = new ModularNode(environment, modules());
        CountDownLatch closed = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node, closed), "close-node"));
        node.start();
        closed.await();
    }

    private static List<PluginInfo> modules() {
        String java = Integer.toString(Runtime.version().feature());
        List<PluginInfo> modules = new ArrayList<>();
        for (String name : MODULES) {
            modules.add(
                    new PluginInfo(
                            name, "module", "NA", Version.CURRENT, java, name, List.of(), false));
        }
        return modules;
    }

    private static Map<String, String> settings(String[] args) {
        Map<String, String> settings = new TreeMap<>();
        for (int i = 1; i < args.length; i++) {
            String[] pair = args[i].split("=", 2);
            settings.put(pair[0], pair[1]);
        }
        return settings;
    }

    private static void close(Node node, CountDownLatch closed) {
        try {
            node.close();
            node.awaitClose(10, TimeUnit.SECONDS);
        } catch (Exception failure) {
            failure.printStackTrace();
        } finally {
            closed.countDown();
        }
    }
}
