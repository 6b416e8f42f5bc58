// Java's PKIX validator with its revocation checker, for test_ocsp_clients.py.
//
//   java Status.java ROOT.pem (nonce|plain) CHAIN.pem…
//
// CHAIN.pem is a leaf and its CA. The responder is the one that the leaf names (AIA); nothing else will do: no CRL instead, no
// failure passed over. One line for each chain: "good", or "REASON: sentence".
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.SecureRandom;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertificateFactory;
import java.security.cert.Extension;
import java.security.cert.PKIXParameters;
import java.security.cert.PKIXRevocationChecker;
import java.security.cert.PKIXRevocationChecker.Option;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

public class Status {
  private static final byte[] NONCE_ID = {6, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 2};  // id-pkix-ocsp-nonce

  private static List<X509Certificate> read(CertificateFactory factory, String path) throws Exception {
    try (InputStream in = new FileInputStream(path)) {
      List<X509Certificate> found = new ArrayList<>();
      factory.generateCertificates(in).forEach(each -> found.add((X509Certificate) each));
      return found;
    }
  }

  // RFC 9654 §2.1: the extension's value is an OCTET STRING of up to 128 octets.
  private static Extension nonce() {
    byte[] value = new byte[34];
    new SecureRandom().nextBytes(value);
    value[0] = 4;
    value[1] = 32;
    return new Extension() {
      public String getId() { return "1.3.6.1.5.5.7.48.1.2"; }
      public boolean isCritical() { return false; }
      public byte[] getValue() { return value; }
      public void encode(OutputStream out) throws IOException {
        out.write(new byte[] {0x30, (byte) (NONCE_ID.length + 2 + value.length)});
        out.write(NONCE_ID);
        out.write(new byte[] {4, (byte) value.length});
        out.write(value);
      }
    };
  }

  public static void main(String[] words) throws Exception {
    CertificateFactory factory = CertificateFactory.getInstance("X.509");
    X509Certificate root = read(factory, words[0]).get(0);
    for (int i = 2; i < words.length; ++i) {
      CertPathValidator validator = CertPathValidator.getInstance("PKIX");
      PKIXRevocationChecker checker = (PKIXRevocationChecker) validator.getRevocationChecker();
      checker.setOptions(EnumSet.of(Option.ONLY_END_ENTITY, Option.NO_FALLBACK));
      if (words[1].equals("nonce")) checker.setOcspExtensions(List.of(nonce()));
      PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
      parameters.addCertPathChecker(checker);
      try {
        validator.validate(factory.generateCertPath(read(factory, words[i])), parameters);
        System.out.println("good");
      } catch (CertPathValidatorException refusal) {
        System.out.println(refusal.getReason() + ": " + refusal.getMessage());
      }
    }
  }
}
