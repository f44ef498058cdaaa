import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.function.Supplier;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import org.elasticsearch.common.network.NetworkService;
import org.elasticsearch.common.settings.ClusterSettings;
import org.elasticsearch.common.settings.Setting;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.util.BigArrays;
import org.elasticsearch.common.util.PageCacheRecycler;
import org.elasticsearch.common.util.concurrent.ThreadContext;
import org.elasticsearch.http.HttpPreRequest;
import org.elasticsearch.http.HttpServerTransport;
import org.elasticsearch.http.netty4.Netty4HttpServerTransport;
import org.elasticsearch.indices.breaker.CircuitBreakerService;
import org.elasticsearch.rest.RestChannel;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.telemetry.TelemetryProvider;
import org.elasticsearch.threadpool.ThreadPool;
import org.elasticsearch.transport.netty4.Netty4Plugin;
import org.elasticsearch.transport.netty4.SharedGroupFactory;
import org.elasticsearch.transport.netty4.TLSConfig;
import org.elasticsearch.xcontent.NamedXContentRegistry;

/**
 * The HTTP transport with what tests of a client's security need; X-Pack, which does it in the
 * distribution, is not on Maven Central.
 *
 * <p>{@code test.http.login=user:password} asks for HTTP basic authentication;
 * {@code test.http.keystore}, a PKCS12 file, and {@code test.http.keystore_password} turn HTTPS on.
 */
public final class HttpPlugin extends Netty4Plugin {
    private static final Setting<String> LOGIN = Setting.simpleString(
            "test.http.login", Setting.Property.NodeScope, Setting.Property.Filtered);
    private static final Setting<String> KEYSTORE =
            Setting.simpleString("test.http.keystore", Setting.Property.NodeScope);
    private static final Setting<String> KEYSTORE_PASSWORD = Setting.simpleString(
            "test.http.keystore_password", Setting.Property.NodeScope, Setting.Property.Filtered);

    @Override
    public List<Setting<?>> getSettings() {
        List<Setting<?>> settings = new ArrayList<>(super.getSettings());
        settings.add(LOGIN);
        settings.add(KEYSTORE);
        settings.add(KEYSTORE_PASSWORD);
        return settings;
    }

    @Override
    public Map<String, Supplier<HttpServerTransport>> getHttpTransports(
            Settings settings,
            ThreadPool threads,
            BigArrays arrays,
            PageCacheRecycler pages,
            CircuitBreakerService breakers,
            NamedXContentRegistry contents,
            NetworkService network,
            HttpServerTransport.Dispatcher dispatcher,
            BiConsumer<HttpPreRequest, ThreadContext> context,
            ClusterSettings cluster,
            TelemetryProvider telemetry) {
        String login = LOGIN.get(settings);
        HttpServerTransport.Dispatcher guarded =
                login.isEmpty() ? dispatcher : new Guard(dispatcher, login);
        if (KEYSTORE.get(settings).isEmpty()) {
            return super.getHttpTransports(
                    settings, threads, arrays, pages, breakers, contents, network, guarded,
                    context, cluster, telemetry);
        }
        TLSConfig tls = tls(Path.of(KEYSTORE.get(settings)), KEYSTORE_PASSWORD.get(settings));
        SharedGroupFactory groups = new SharedGroupFactory(settings);
        return Map.of(
                NETTY_HTTP_TRANSPORT_NAME,
                () -> new Netty4HttpServerTransport(
                        settings, network, threads, contents, guarded, cluster, groups, telemetry,
                        tls, null, null) {
                    @Override
                    protected void populatePerRequestThreadContext(
                            RestRequest request, ThreadContext into) {
                        context.accept(request.getHttpRequest(), into);
                    }
                });
    }

    private static TLSConfig tls(Path keystore, String password) {
        try (InputStream in = Files.newInputStream(keystore)) {
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(in, password.toCharArray());
            KeyManagerFactory keys =
                    KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            keys.init(store, password.toCharArray());
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(keys.getKeyManagers(), null, null);
            return new TLSConfig((host, port) -> {
                SSLEngine engine = context.createSSLEngine();
                engine.setUseClientMode(false);
                return engine;
            });
        } catch (Exception failure) {
            throw new IllegalStateException("cannot load " + keystore, failure);
        }
    }

    /** Passes on only requests that carry the login. */
    private record Guard(HttpServerTransport.Dispatcher inner, String login)
            implements HttpServerTransport.Dispatcher {
        private static final String REFUSAL =
                """
                {"error":{"type":"security_exception","reason":"missing or wrong credentials"},\
                "status":401}""";

        @Override
        public void dispatchRequest(RestRequest request, RestChannel channel, ThreadContext into) {
            byte[] bytes = login.getBytes(StandardCharsets.UTF_8);
            String expected = "Basic " + Base64.getEncoder().encodeToString(bytes);
            if (expected.equals(request.header("Authorization"))) {
                inner.dispatchRequest(request, channel, into);
                return;
            }
            request.getHttpRequest().body().close();
            RestResponse refusal =
                    new RestResponse(RestStatus.UNAUTHORIZED, "application/json", REFUSAL);
            refusal.addHeader("WWW-Authenticate", "Basic realm=\"security\", charset=\"UTF-8\"");
            channel.sendResponse(refusal);
        }

        @Override
        public void dispatchBadRequest(RestChannel channel, ThreadContext into, Throwable cause) {
            inner.dispatchBadRequest(channel, into, cause);
        }
    }
}
