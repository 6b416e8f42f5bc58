// Java's verifier for test_six_verifiers.py: the trust manager that TLS of the JDK asks, over PKIX.
//
//   java Verify.java ROOT.pem (PURPOSE NAME CHAIN.pem)…
//
// PURPOSE is client or server; NAME is not looked at. One line for each chain: "ok", or "refused REASON: sentence", where
// REASON is that of a CertPathValidator over the same chain, or TRUST_MANAGER when that one would take it.
import java.io.FileInputStream;
import java.io.InputStream;
import java.security.KeyStore;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.PKIXParameters;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import javax.net.ssl.CertPathTrustManagerParameters;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

public class Verify {
  private static final CertificateFactory FACTORY = factory();
  private final KeyStore anchors;
  private final X509TrustManager trust;

  private static CertificateFactory factory() {
    try {
      return CertificateFactory.getInstance("X.509");
    } catch (CertificateException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  private static List<X509Certificate> read(String path) throws Exception {
    try (InputStream in = new FileInputStream(path)) {
      return FACTORY.generateCertificates(in).stream().map(each -> (X509Certificate) each).collect(Collectors.toList());
    }
  }

  private Verify(Certificate root) throws Exception {
    anchors = KeyStore.getInstance(KeyStore.getDefaultType());
    anchors.load(null, null);
    anchors.setCertificateEntry("root", root);
    PKIXBuilderParameters parameters = new PKIXBuilderParameters(anchors, new X509CertSelector());
    parameters.setRevocationEnabled(false);
    TrustManagerFactory managers = TrustManagerFactory.getInstance("PKIX");
    managers.init(new CertPathTrustManagerParameters(parameters));
    trust = (X509TrustManager) managers.getTrustManagers()[0];
  }

  private String reason(List<X509Certificate> chain) throws Exception {
    PKIXParameters parameters = new PKIXParameters(anchors);
    parameters.setRevocationEnabled(false);
    try {
      CertPathValidator.getInstance("PKIX").validate(FACTORY.generateCertPath(chain), parameters);
      return "TRUST_MANAGER";
    } catch (CertPathValidatorException refusal) {
      return refusal.getReason() + ": " + refusal.getMessage();
    }
  }

  private String verdict(String purpose, String path) throws Exception {
    List<X509Certificate> chain;
    try {
      chain = read(path);
    } catch (CertificateException refusal) {
      return "refused UNREADABLE: " + refusal.getMessage();
    }
    X509Certificate[] sent = chain.toArray(new X509Certificate[0]);
    try {
      if (purpose.equals("server")) {
        trust.checkServerTrusted(sent, "ECDHE_ECDSA");
      } else {
        trust.checkClientTrusted(sent, "EC");
      }
      return "ok";
    } catch (CertificateException refusal) {
      return "refused " + reason(chain) + ": " + refusal.getMessage();
    }
  }

  public static void main(String[] words) throws Exception {
    if (words.length < 4 || words.length % 3 != 1) {
      System.err.println("usage: Verify ROOT.pem (PURPOSE NAME CHAIN.pem)…");
      System.exit(2);
    }
    Verify verifier = new Verify(read(words[0]).get(0));
    for (String[] rest = Arrays.copyOfRange(words, 1, words.length); rest.length > 0; rest = Arrays.copyOfRange(rest, 3, rest.length)) {
      System.out.println(verifier.verdict(rest[0], rest[2]).replace('\n', ' '));
    }
  }
}
