#!/usr/bin/python3
"""What NIST's Public Key Interoperability Test Suite (PKITS 1.0.1) wants of a verifier. Writes pkits.txt.

The table is from the descriptions of the suite's document, sections 4.1 to 4.16: number, end entity certificate, expected
result, settings. Which certificates and CRLs belong to a test is found by their names: all whose subject is an issuer of one
that belongs to it, and all CRLs of those issuers and of the CRL issuers that a certificate names.
"""
import pathlib
import warnings

from cryptography import x509

warnings.simplefilter("ignore")
DATA = pathlib.Path("/usr/lib/python3/dist-packages/cryptography_vectors/x509/PKITS_data")
NIST = "2.16.840.1.101.3.2.1.48."
DSA = "DSA is not accepted"
TABLE = []


def test(number, leaf, settings="", extra=(), exception="", expect=None):
    expect = expect or ("refused" if leaf.startswith("Invalid") else "valid")
    words = " ".join(NIST + word if word.isdigit() else word for word in settings.split())
    TABLE.append((number, leaf + "EE", expect, words, extra, exception))


def tests(section, *names, **extras):
    for number, name in enumerate(names, 1):
        given = extras.get("t%d" % number, {})
        test("4.%d.%d" % (section, number), "%sTest%d" % (name, number), **given)


tests(1, "ValidCertificatePath", "InvalidCASignature", "InvalidEESignature", "ValidDSASignatures", "ValidDSAParameterInheritance", "InvalidDSASignature",
      t4={"exception": DSA}, t5={"exception": DSA, "extra": ("DSAParametersInheritedCACert", "DSACACert")})
tests(2, "InvalidCAnotBeforeDate", "InvalidEEnotBeforeDate", "Validpre2000UTCnotBeforeDate", "ValidGeneralizedTimenotBeforeDate", "InvalidCAnotAfterDate",
      "InvalidEEnotAfterDate", "Invalidpre2000UTCEEnotAfterDate", "ValidGeneralizedTimenotAfterDate",
      t4={"exception": "RFC 5280 4.1.2.5: a year before 2050 is a UTCTime"})
tests(3, "InvalidNameChaining", "InvalidNameChainingOrder", "ValidNameChainingWhitespace", "ValidNameChainingWhitespace", "ValidNameChainingCapitalization",
      "ValidNameUIDs", "ValidRFC3280MandatoryAttributeTypes", "ValidRFC3280OptionalAttributeTypes", "ValidUTF8StringEncodedNames",
      "ValidRolloverfromPrintableStringtoUTF8String", "ValidUTF8StringCaseInsensitiveMatch",
      t1={"extra": ("GoodCACert",)}, t2={"extra": ("NameOrderingCACert",)}, t6={"exception": "RFC 5280 4.1.2.8: unique identifiers must not be used"})
tests(4, "InvalidMissingCRL", "InvalidRevokedCA", "InvalidRevokedEE", "InvalidBadCRLSignature", "InvalidBadCRLIssuerName", "InvalidWrongCRL", "ValidTwoCRLs",
      "InvalidUnknownCRLEntryExtension", "InvalidUnknownCRLExtension", "InvalidUnknownCRLExtension", "InvalidOldCRLnextUpdate", "Invalidpre2000CRLnextUpdate",
      "ValidGeneralizedTimeCRLnextUpdate", "ValidNegativeSerialNumber", "InvalidNegativeSerialNumber", "ValidLongSerialNumber", "ValidLongSerialNumber",
      "InvalidLongSerialNumber", "ValidSeparateCertificateandCRLKeys", "InvalidSeparateCertificateandCRLKeys", "InvalidSeparateCertificateandCRLKeys",
      t14={"exception": "RFC 5280 4.1.2.2: a serial number is positive"})
tests(5, "ValidBasicSelfIssuedOldWithNew", "InvalidBasicSelfIssuedOldWithNew", "ValidBasicSelfIssuedNewWithOld", "ValidBasicSelfIssuedNewWithOld",
      "InvalidBasicSelfIssuedNewWithOld", "ValidBasicSelfIssuedCRLSigningKey", "InvalidBasicSelfIssuedCRLSigningKey", "InvalidBasicSelfIssuedCRLSigningKey")
tests(6, "InvalidMissingbasicConstraints", "InvalidcAFalse", "InvalidcAFalse", "ValidbasicConstraintsNotCritical", *["InvalidpathLenConstraint"] * 2,
      *["ValidpathLenConstraint"] * 2, *["InvalidpathLenConstraint"] * 4, *["ValidpathLenConstraint"] * 2, "ValidSelfIssuedpathLenConstraint",
      "InvalidSelfIssuedpathLenConstraint", "ValidSelfIssuedpathLenConstraint",
      t4={"exception": "RFC 5280 4.2.1.9: basic constraints of a CA are critical"})
tests(7, "InvalidkeyUsageCriticalkeyCertSignFalse", "InvalidkeyUsageNotCriticalkeyCertSignFalse", "ValidkeyUsageNotCritical",
      "InvalidkeyUsageCriticalcRLSignFalse", "InvalidkeyUsageNotCriticalcRLSignFalse")

for number, name, settings, expect in (
        ("1.1", "ValidCertificatePathTest1", "explicit", "valid"), ("1.2", "ValidCertificatePathTest1", "explicit 1", "valid"),
        ("1.3", "ValidCertificatePathTest1", "explicit 2", "refused"), ("1.4", "ValidCertificatePathTest1", "explicit 1 2", "valid"),
        ("2.1", "AllCertificatesNoPoliciesTest2", "", "valid"), ("2.2", "AllCertificatesNoPoliciesTest2", "explicit", "refused"),
        ("3.1", "DifferentPoliciesTest3", "", "valid"), ("3.2", "DifferentPoliciesTest3", "explicit", "refused"),
        ("3.3", "DifferentPoliciesTest3", "explicit 1 2", "refused"), ("4", "DifferentPoliciesTest4", "", "refused"), ("5", "DifferentPoliciesTest5", "", "refused"),
        ("6.1", "OverlappingPoliciesTest6", "", "valid"), ("6.2", "OverlappingPoliciesTest6", "1", "valid"), ("6.3", "OverlappingPoliciesTest6", "2", "refused"),
        ("7", "DifferentPoliciesTest7", "", "refused"), ("8", "DifferentPoliciesTest8", "", "refused"), ("9", "DifferentPoliciesTest9", "", "refused"),
        ("10.1", "AllCertificatesSamePoliciesTest10", "", "valid"), ("10.2", "AllCertificatesSamePoliciesTest10", "1", "valid"),
        ("10.3", "AllCertificatesSamePoliciesTest10", "2", "valid"), ("11.1", "AllCertificatesanyPolicyTest11", "", "valid"),
        ("11.2", "AllCertificatesanyPolicyTest11", "1", "valid"), ("12", "DifferentPoliciesTest12", "", "refused"),
        ("13.1", "AllCertificatesSamePoliciesTest13", "1", "valid"), ("13.2", "AllCertificatesSamePoliciesTest13", "2", "valid"),
        ("13.3", "AllCertificatesSamePoliciesTest13", "3", "valid"), ("14.1", "AnyPolicyTest14", "1", "valid"), ("14.2", "AnyPolicyTest14", "2", "refused"),
        ("15", "UserNoticeQualifierTest15", "", "valid"), ("16", "UserNoticeQualifierTest16", "", "valid"), ("17", "UserNoticeQualifierTest17", "", "valid"),
        ("18.1", "UserNoticeQualifierTest18", "1", "valid"), ("18.2", "UserNoticeQualifierTest18", "2", "valid"), ("19", "UserNoticeQualifierTest19", "", "valid"),
        ("20", "CPSPointerQualifierTest20", "explicit", "valid")):
    test("4.8." + number, name, settings, expect=expect)

tests(9, "ValidrequireExplicitPolicy", "ValidrequireExplicitPolicy", "InvalidrequireExplicitPolicy", "ValidrequireExplicitPolicy", "InvalidrequireExplicitPolicy",
      "ValidSelfIssuedrequireExplicitPolicy", "InvalidSelfIssuedrequireExplicitPolicy", "InvalidSelfIssuedrequireExplicitPolicy")

for number, name, settings, expect in (
        ("1.1", "ValidPolicyMappingTest1", "1", "valid"), ("1.2", "ValidPolicyMappingTest1", "2", "refused"), ("1.3", "ValidPolicyMappingTest1", "inhibit-mapping", "refused"),
        ("2.1", "InvalidPolicyMappingTest2", "", "refused"), ("2.2", "InvalidPolicyMappingTest2", "inhibit-mapping", "refused"),
        ("3.1", "ValidPolicyMappingTest3", "1", "refused"), ("3.2", "ValidPolicyMappingTest3", "2", "valid"), ("4", "InvalidPolicyMappingTest4", "", "refused"),
        ("5.1", "ValidPolicyMappingTest5", "1", "valid"), ("5.2", "ValidPolicyMappingTest5", "6", "refused"), ("6.1", "ValidPolicyMappingTest6", "1", "valid"),
        ("6.2", "ValidPolicyMappingTest6", "6", "refused"), ("7", "InvalidMappingFromanyPolicyTest7", "", "refused"),
        ("8", "InvalidMappingToanyPolicyTest8", "", "refused"), ("9", "ValidPolicyMappingTest9", "", "valid"), ("10", "InvalidPolicyMappingTest10", "", "refused"),
        ("11", "ValidPolicyMappingTest11", "", "valid"), ("12.1", "ValidPolicyMappingTest12", "1", "valid"), ("12.2", "ValidPolicyMappingTest12", "2", "valid"),
        ("13", "ValidPolicyMappingTest13", "", "valid"), ("14", "ValidPolicyMappingTest14", "", "valid")):
    test("4.10." + number, name, settings, expect=expect)

tests(11, "InvalidinhibitPolicyMapping", "ValidinhibitPolicyMapping", "InvalidinhibitPolicyMapping", "ValidinhibitPolicyMapping", "InvalidinhibitPolicyMapping",
      "InvalidinhibitPolicyMapping", "ValidSelfIssuedinhibitPolicyMapping", *["InvalidSelfIssuedinhibitPolicyMapping"] * 4)
tests(12, "InvalidinhibitAnyPolicy", "ValidinhibitAnyPolicy", "inhibitAnyPolicy", "InvalidinhibitAnyPolicy", "InvalidinhibitAnyPolicy", "InvalidinhibitAnyPolicy",
      "ValidSelfIssuedinhibitAnyPolicy", "InvalidSelfIssuedinhibitAnyPolicy", "ValidSelfIssuedinhibitAnyPolicy", "InvalidSelfIssuedinhibitAnyPolicy")
test("4.12.3.2", "inhibitAnyPolicyTest3", "inhibit-any", expect="refused")
DN = "DNnameConstraints"
tests(13, "Valid" + DN, "Invalid" + DN, "Invalid" + DN, *["Valid" + DN] * 3, *["Invalid" + DN] * 4, "Valid" + DN, *["Invalid" + DN] * 2, "Valid" + DN,
      *["Invalid" + DN] * 3, *["Valid" + DN] * 2, "Invalid" + DN, *["ValidRFC822nameConstraints", "InvalidRFC822nameConstraints"] * 3,
      "ValidDNandRFC822nameConstraints", *["InvalidDNandRFC822nameConstraints"] * 2, *["ValidDNSnameConstraints", "InvalidDNSnameConstraints"] * 2,
      *["ValidURInameConstraints", "InvalidURInameConstraints"] * 2, "InvalidDNSnameConstraints")
POINT, SOME, ISSUER, INDIRECT = "distributionPoint", "onlySomeReasons", "cRLIssuer", "IDPwithindirectCRL"
tests(14, "Valid" + POINT, "Invalid" + POINT, "Invalid" + POINT, *["Valid" + POINT] * 2, "Invalid" + POINT, "Valid" + POINT, *["Invalid" + POINT] * 2,
      "ValidNoissuingDistributionPoint", "InvalidonlyContainsUserCerts", "InvalidonlyContainsCACerts", "ValidonlyContainsCACerts",
      "InvalidonlyContainsAttributeCerts", *["Invalid" + SOME] * 3, *["Valid" + SOME] * 2, *["Invalid" + SOME] * 2, "Valid" + INDIRECT, "Invalid" + INDIRECT,
      *["Valid" + INDIRECT] * 2, "Invalid" + INDIRECT, "Invalid" + ISSUER, *["Valid" + ISSUER] * 3, *["Invalid" + ISSUER] * 2, "Valid" + ISSUER,
      *["Invalid" + ISSUER] * 2)
tests(15, "InvaliddeltaCRLIndicatorNoBase", "ValiddeltaCRL", "InvaliddeltaCRL", "InvaliddeltaCRL", "ValiddeltaCRL", "InvaliddeltaCRL", *["ValiddeltaCRL"] * 2,
      *["InvaliddeltaCRL"] * 2)
tests(16, "ValidUnknownNotCriticalCertificateExtension", "InvalidUnknownCriticalCertificateExtension")


def folded(name):
    """A name without regard to case, spaces and string types."""
    return tuple((a.oid.dotted_string, " ".join(a.value.lower().split())) for a in name)


def load(folder, parse):
    found = {}
    for path in sorted((DATA / folder).iterdir()):
        try:
            found[path.stem] = parse(path.read_bytes())
        except ValueError:
            pass
    return found


CERTIFICATES = load("certs", x509.load_der_x509_certificate)
CRLS = load("crls", x509.load_der_x509_crl)


def issuers(name):
    certificate = CERTIFICATES.get(name)
    if certificate is None:
        return set()
    found = {folded(certificate.issuer)}
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.CRLDistributionPoints):
            found |= {folded(general.value) for point in extension.value for general in point.crl_issuer or []}
    return found


def belonging(leaf, extra):
    wanted, members = set(), [leaf, *extra]
    while True:
        wanted |= set().union(*map(issuers, members))
        more = [name for name, each in CERTIFICATES.items()
                if folded(each.subject) in wanted and name not in members and name != "TrustAnchorRootCertificate"]
        if not more:
            break
        members += more
    crls = [name for name, crl in CRLS.items() if folded(crl.issuer) in wanted]
    return members[:0:-1] + [leaf], crls


def reason(number, leaf, expect, exception):
    """Why it must be refused, where the section is about one thing."""
    if expect == "valid" or exception or "anyPolicyTest7" in leaf or "anyPolicyTest8EE" in leaf and "Mapping" in leaf:
        return None
    section = number.split(".")[1]
    by_section = {"8": "no_valid_policy", "9": "no_valid_policy", "10": "no_valid_policy", "11": "no_valid_policy", "12": "no_valid_policy",
                  "13": "name_constraint", "16": "unknown_critical", "7": "key_usage"}
    by_word = {"pathLen": "path_length", "cAFalse": "not_a_ca", "MissingbasicC": "not_a_ca", "notBeforeDate": "not_yet_valid", "CAnotAfter": "expired",
               "EEnotAfterDateTest6": "expired", "RevokedCA": "ca_revoked", "RevokedEE": "status_revoked", "OldCRLnext": "crl_stale", "CRLnextUpdateTest12": "crl_stale",
               "MissingCRL": "status_unknown", "EESignature": "bad_signature"}
    return by_section.get(section) or next((why for word, why in by_word.items() if word in leaf), None)


def main():
    lines = ["# made by make_pkits.py from the document of PKITS 1.0.1; do not edit"]
    for number, leaf, expect, settings, extra, exception in TABLE:
        certificates, crls = belonging(leaf, extra)
        lines += ["", "[%s %s%s]" % (number, leaf, " " + settings if settings else ""), "expect = " + expect,
                  "certificates = " + " ".join(certificates), "crls = " + " ".join(crls)]
        lines += ["settings = " + settings] if settings else []
        lines += ["exception = " + exception] if exception else []
        why = reason(number, leaf, expect, exception)
        lines += ["reason = " + why] if why else []
    pathlib.Path("pkits.txt").write_text("\n".join(lines) + "\n")
    print("pkits.txt: %d cases" % len(TABLE))


if __name__ == "__main__":
    main()
