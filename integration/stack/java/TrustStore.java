import java.io.ByteArrayInputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.List;

/**
 * Makes a trust store from PEM certificates: from one file, or from all files of a folder.
 *
 * <p>JKS, because Java opens its default store without a password, which shows nothing of a
 * PKCS12 store.
 */
final class TrustStore {
    public static void main(String[] args) throws Exception {
        KeyStore store = KeyStore.getInstance("JKS");
        store.load(null, null);
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        for (Path file : files(Path.of(args[0]))) {
            ByteArrayInputStream pem = new ByteArrayInputStream(Files.readAllBytes(file));
            for (Certificate certificate : factory.generateCertificates(pem)) {
                store.setCertificateEntry("ca-" + store.size(), certificate);
            }
        }
        try (OutputStream out = Files.newOutputStream(Path.of(args[1]))) {
            store.store(out, "changeit".toCharArray());
        }
    }

    private static List<Path> files(Path source) throws Exception {
        if (!Files.isDirectory(source)) {
            return List.of(source);
        }
        try (var entries = Files.list(source)) {
            return entries.sorted().toList();
        }
    }
}
