package proxy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A fact is one of the numbered facts of the XKS Proxy API. It has a check here,
// or the test that tries it, or says why no test of the proxy can.
type fact struct {
	number int
	what   string
	check  func(*testing.T, *rig)
	test   string // NAME, or FILE NAME of another folder
	not    string
}

var facts = []fact{
	{1, "four operations, all mandatory", theFourOperations, "", ""},
	{2, "a proxy may serve several EKMs", nil, "", "says what may be"},
	{3, "AES-256 and AES-GCM only", onlyAES256, "", ""},
	{4, "no API makes or changes external keys", noOtherOperations, "", ""},
	{5, "the blob is assembled by KMS", nil, "", "KMS's part"},
	{6, "the plaintext is encrypted already", nil, "", "KMS's part"},
	{7, "application/json, both ways", contentIsJSON, "", ""},
	{8, "HTTP/1.1 and HTTP/2", nil, "TestTransports", ""},
	{9, "TLS versions and suites", nil, "../certs/tls_test.go TestServersTakeTheVersionsAndSuitesOfTheirProfile", ""},
	{10, "GET gets 405", nil, "TestOtherMethodsAreNotAllowed", ""},
	{11, "port 443, IPv4", nil, "", "the network's"},
	{12, "the server's name is a domain name", nil, "", "DNS's; the client's check is in xks"},
	{13, "the certificate's name and authority", nil, "../cmd/hyok/main_test.go TestScripts", ""},
	{14, "the full chain, not expired", nil, "../cmd/hyok/main_test.go TestScripts", ""},
	{15, "connections stay open", connectionsStayOpen, "", ""},
	{16, "unknown headers are tolerated", nil, "TestSignaturesThatAreAccepted", ""},
	{17, "the base, with and without a prefix", bothBases, "", ""},
	{18, "the paths of the operations", theFourOperations, "", ""},
	{19, "what a prefix may be", nil, "xks/path_test.go TestPaths", ""},
	{20, "the form of the URI endpoint", nil, "", "KMS's check"},
	{21, "at most 256 characters of URI", nil, "xks/path_test.go TestRequestsThatAreNotSent", ""},
	{22, "key IDs, . and .. too", nil, "TestKeyMetadata", ""},
	{23, "one external key for one KMS key", nil, "", "KMS's check"},
	{24, "tenants by prefix, with a quota", nil, "TestTheRateLimit", ""},
	{25, "endpoints are unique", nil, "", "KMS's check"},
	{26, "the VPC endpoint service's name", nil, "", "KMS's check"},
	{27, "VPC connectivity", nil, "", "the network's"},
	{28, "the form of Authorization", nil, "../internal/sigv4/refusal_test.go TestRefusals", ""},
	{29, "service and Region", nil, "TestSignaturesThatAreRefused", ""},
	{30, "further headers may be signed", nil, "TestMoreHeadersMayBeSigned", ""},
	{31, "host and x-amz-date must be", nil, "../internal/sigv4/refusal_test.go TestRefusals", ""},
	{32, "the host as sent", nil, "TestSignaturesThatAreRefused", ""},
	{33, "path, query and body are signed", nil, "TestSignaturesThatAreRefused", ""},
	{34, "string to sign and key chain", nil, "../internal/sigv4/vectors_test.go TestVectorsCanonicalRequestAndStringToSign", ""},
	{35, "five minutes, both ways", nil, "TestSignaturesThatAreRefused", ""},
	{36, "the raw path", theRawPath, "", ""},
	{37, "forms of credentials", nil, "TestConfigurationsThatCannotBeServed", ""},
	{38, "rotation without a restart", nil, "TestCredentialsAreReplacedWhileServing", ""},
	{39, "401 on all four", nil, "TestSignaturesThatAreRefused", ""},
	{40, "a wrong client certificate ends the handshake", nil, "../certs/verify_test.go TestServerEndsTheHandshakeOnAWrongClientCertificate", ""},
	{41, "the name may be CN or SAN, of a list", nil, "../certs/verify_test.go TestServerEndsTheHandshakeOnAWrongClientCertificate", ""},
	{42, "a client certificate replaces no signature", aCertificateIsNoSignature, "", ""},
	{43, "policies over the metadata, health exempt", nil, "TestThePolicyComesBetweenKeyAndFields", ""},
	{44, "external keys bound to callers", nil, "policy/examples_test.go TestTheExamplesDecideAsTheySay", ""},
	{45, "403, and the policy in the log", nil, "TestADenialIsLoggedAndTellsNothing", ""},
	{46, "without a policy, presence only", oddMetadata, "", ""},
	{47, "ARNs of 2048 characters", nil, "TestMembersOfEncrypt", ""},
	{48, "unknown members", nil, "TestMembersOfEncrypt", ""},
	{49, "the values of kmsOperation", knownKMSOperations, "", ""},
	{50, "account and Region of ARNs, whatever their form", nil, "policy/policy_test.go TestEveryFieldCanDecide", ""},
	{51, "standard base64", nil, "TestMembersOfEncrypt", ""},
	{52, "plaintexts of 4300 bytes", nil, "TestWhatIsEncryptedDecryptsToTheSame", ""},
	{53, "additional data of 8192 bytes", nil, "TestWhatIsEncryptedDecryptsToTheSame", ""},
	{54, "lengths of IV, tag, metadata, ciphertext", nil, "TestEncryptsAnswer", ""},
	{55, "501 for what is larger", nil, "TestEachErrorIsGivenForItsReason", ""},
	{56, "the largest body", nil, "TestTheBodyLimit", ""},
	{57, "keySpec", nil, "TestKeyMetadata", ""},
	{58, "keyUsage", nil, "TestKeyMetadata", ""},
	{59, "keyStatus", nil, "TestKeyMetadata", ""},
	{60, "what CreateKey wants of a key", nil, "TestKeyMetadata", ""},
	{61, "the EKM's IV, the tag split off", nil, "TestEncryptsAnswer", ""},
	{62, "metadata of 20 bytes", nil, "TestEncryptsAnswer", ""},
	{63, "plaintexts in no log, Encrypt", nil, "TestTheAccessLog", ""},
	{64, "empty and absent additional data", nil, "TestEmptyAADIsAsNone", ""},
	{65, "wrong algorithms", nil, "TestMembersOfEncrypt", ""},
	{66, "changed metadata is seen", nil, "TestDecryptRefusesWhateverWasChanged", ""},
	{67, "plaintexts in no log, Decrypt", nil, "TestTheAccessLog", ""},
	{68, "what is corrupt or missing", nil, "TestMembersOfDecrypt", ""},
	{69, "the members of health's answer", nil, "TestHealthTellsOfTheProxyAndTheDevice", ""},
	{70, "the values of healthStatus", nil, "TestHealthTellsOfTheProxyAndTheDevice", ""},
	{71, "health asks the device", nil, "health_internal_test.go TestHealthIsLiveWithinTheTime", ""},
	{72, "or the cache, for a minute", nil, "health_internal_test.go TestHealthComesFromTheCacheForAMinute", ""},
	{73, "when KMS asks for health", knownKMSOperations, "", ""},
	{74, "all EKMs unavailable", nil, "TestHealthTellsOfTheProxyAndTheDevice", ""},
	{75, "checks for balancers", nil, "TestChecksForBalancers", ""},
	{76, "the frame", nil, "TestEncryptsAnswer", ""},
	{77, "nothing is swapped into the additional data", nil, "TestDecryptRefusesWhateverWasChanged", ""},
	{78, "metadata names the version", nil, "TestCiphertextsNameTheirVersion", ""},
	{79, "unknown forms of metadata", unknownForms, "", ""},
	{80, "the integrity value", nil, "TestEncryptsAnswer", ""},
	{81, "computed before the decryption", nil, "TestTheVerifyingDecryption", ""},
	{82, "KMS compares it", nil, "xks/response_test.go TestEveryMemberOfEncryptsAnswerIsChecked", ""},
	{83, "its test vector", nil, "xks/frame_test.go TestIntegrityValue", ""},
	{84, "a key that only encrypts, with it", nil, "TestEachErrorIsGivenForItsReason", ""},
	{85, "the plaintexts are compared", nil, "", "no device here decrypts to something else"},
	{86, "400 of health", nil, "TestRequiredMetadata", ""},
	{87, "the device's faults are not the caller's", nil, "TestADeviceThatIsAwayIsNoFaultOfTheCiphertextOrTheKey", ""},
	{88, "the order of checks", nil, "TestTheFirstFaultIsAnswered", ""},
	{89, "250 ms", nil, "TestNoAnswerIsLate", ""},
	{90, "a request may come twice", everyRequestMayComeTwice, "", ""},
	{91, "the round trip", nil, "", "the network's"},
	{92, "1,800 requests a second", nil, "TestTheRateLimit", ""},
	{93, "ten key stores", nil, "", "KMS's check"},
	{94, "an answer well before that", nil, "TestNoAnswerIsLate", ""},
	{95, "the alarms of the guide", nil, "", "docs/operate.md has them"},
	{96, "the access log", nil, "TestTheAccessLog", ""},
	{97, "a file for the console", nil, "../cmd/hyok/main_test.go TestScripts", ""},
	{98, "no circular dependence", nil, "", "the operator's; docs/operate.md"},
	{99, "rotation behind one ID", nil, "TestCiphertextsNameTheirVersion", ""},
	{100, "an ID stays with its key", nil, "", "the operator's; the reference file says so"},
}

// TestTheFacts runs the checks, and sees to it that no fact is left out and that
// the tests that are named exist.
func TestTheFacts(t *testing.T) {
	r := newRig(t, nil)
	here, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range facts {
		if f.number != i+1 {
			t.Fatalf("fact %d stands where %d should", f.number, i+1)
		}
		t.Run(fmt.Sprintf("%d %s", f.number, f.what), func(t *testing.T) {
			switch {
			case f.check != nil:
				f.check(t, r)
			case f.test != "":
				file, name, elsewhere := strings.Cut(f.test, " ")
				if files := []string{file}; elsewhere && !hasTest(t, files, name) || !elsewhere && !hasTest(t, here, f.test) {
					t.Errorf("there is no %s", f.test)
				}
			case f.not == "":
				t.Error("it has neither a check nor a test nor a reason")
			}
		})
	}
	if len(facts) != 100 {
		t.Errorf("%d facts, want 100", len(facts))
	}
}

// hasTest reports whether one of the files has a test of this name.
func hasTest(t *testing.T, files []string, name string) bool {
	t.Helper()
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(text), "\nfunc "+name+"(t *testing.T)")
	})
}
