import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/**
 * Runs one Elasticsearch node from the jars on Maven Central, which lack the distribution's own
 * launcher.
 *
 * <p>Arguments: the home (it has {@code modules}), the configuration folder, then
 * {@code setting=value} as often as wanted.
 */
public final class NodeMain {
    private NodeMain() {}

    public static void main(String[] args) throws Exception {
        Settings logging = Settings.builder().put("logger.level", "INFO").build();
        LogConfigurator.configureWithoutConfig(logging);
        LogConfigurator.configureESLogging();

        Environment environment = InternalSettingsPreparer.prepareEnvironment(
                Settings.builder().put("path.home", args[0]).build(),
                settings(args),
                Path.of(args[1]),
                () -> "node-0");
        PluginsLoader plugins = PluginsLoader.createPluginsLoader(
                PluginsLoader.loadModulesBundles(environment.modulesDir(), false),
                Set.of(),
                Map.of(),
                false);
        Node node = new Node(environment, plugins);
        CountDownLatch closed = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node, closed), "close-node"));
        node.start();
        closed.await();
    }

    private static Map<String, String> settings(String[] args) {
        Map<String, String> settings = new TreeMap<>();
        for (int i = 2; i < args.length; i++) {
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
