package xks

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// answering makes a client whose proxy answers every request alike.
func answering(t *testing.T, status int, body string) *Client {
	return startProxy(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}, nil).client(t, nil)
}

func b64(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }

// encryptAnswer is a good answer to wholeEncrypt, with one member replaced;
// without one when the value is empty.
func encryptAnswer(member, value string) string {
	sum := IntegrityValue([]byte("aad"), make([]byte, 5), make([]byte, 12), make([]byte, 3), make([]byte, 16))
	members := map[string]string{
		"ciphertext":                   b64(3),
		"initializationVector":         b64(12),
		"authenticationTag":            b64(16),
		"ciphertextMetadata":           b64(5),
		"ciphertextDataIntegrityValue": base64.StdEncoding.EncodeToString(sum[:]),
	}
	members[member] = value
	var parts []string
	for name, v := range members {
		if v != "" {
			parts = append(parts, fmt.Sprintf("%q:%q", name, v))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func wholeEncrypt(c *Client) (*EncryptResponse, error) {
	return c.Encrypt(context.Background(), "key", &EncryptRequest{
		RequestMetadata: someMetadata(), Plaintext: make([]byte, 3), AdditionalAuthenticatedData: []byte("aad"),
		EncryptionAlgorithm: AlgorithmAESGCM, CiphertextDataIntegrityValueAlgorithm: AlgorithmSHA256,
	})
}

// XKS facts 54, 61, 62, 80, 82.
func TestEveryMemberOfEncryptsAnswerIsChecked(t *testing.T) {
	if _, err := wholeEncrypt(answering(t, 200, encryptAnswer("other", "x"))); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, member, value string }{
		{"no ciphertext", "ciphertext", ""},
		{"ciphertext of another length (XKS fact 54)", "ciphertext", b64(4)},
		{"no IV", "initializationVector", ""},
		{"IV of 13 bytes (XKS fact 54)", "initializationVector", b64(13)},
		{"no tag", "authenticationTag", ""},
		{"tag of 12 bytes (XKS fact 54)", "authenticationTag", b64(12)},
		{"metadata of 21 bytes (XKS fact 62)", "ciphertextMetadata", b64(21)},
		{"no integrity value (XKS fact 82)", "ciphertextDataIntegrityValue", ""},
		{"another integrity value (XKS fact 82)", "ciphertextDataIntegrityValue", b64(32)},
		{"integrity value of other metadata", "ciphertextMetadata", b64(6)},
		{"IV of 16 bytes that the integrity value does not cover", "initializationVector", b64(16)},
		{"base64 of the URL alphabet (XKS fact 51)", "ciphertext", "____"},
	} {
		_, err := wholeEncrypt(answering(t, 200, encryptAnswer(row.member, row.value)))
		if err == nil {
			t.Errorf("%s: accepted", row.name)
			continue
		}
		wantTransport(t, err, InvalidResponse, 1)
	}
}

func TestIVsOfBothLengthsAreAccepted(t *testing.T) {
	for _, n := range []int{IVSize, LongIVSize} {
		body := fmt.Sprintf(`{"ciphertext":%q,"initializationVector":%q,"authenticationTag":%q}`, b64(1), b64(n), b64(16))
		if _, err := encryptOnce(answering(t, 200, body), "x"); err != nil {
			t.Errorf("IV of %d bytes: %v", n, err)
		}
	}
}

func TestAnswersThatTheProtocolDoesNotKnow(t *testing.T) {
	for _, row := range []struct {
		name   string
		status int
		body   string
	}{
		{"no content", 204, ""},
		{"not JSON", 200, "<html>"},
		{"another success", 201, encryptAnswer("other", "x")},
		{"error that is not JSON", 502, "<html>Bad Gateway</html>"},
		{"error without a name", 500, `{"errorMessage":"x"}`},
		{"error with an unknown name", 400, `{"errorName":"TeapotException"}`},
		{"error name in a success", 200, `{"errorName":"ThrottlingException"}`},
		{"error name with a redirect", 302, `{"errorName":"ThrottlingException"}`},
	} {
		_, err := wholeEncrypt(answering(t, row.status, row.body))
		if err == nil {
			t.Errorf("%s: accepted", row.name)
			continue
		}
		wantTransport(t, err, InvalidResponse, 1)
	}
}

func TestDecryptsAnswer(t *testing.T) {
	for _, row := range []struct {
		name, body string
		ok         bool
	}{
		{"good", `{"plaintext":"AAAA"}`, true},
		{"absent", `{}`, false},
		{"shorter", `{"plaintext":"AAA="}`, false},
		{"longer", `{"plaintext":"AAAAAA=="}`, false},
	} {
		req := &DecryptRequest{RequestMetadata: someMetadata(), Ciphertext: make([]byte, 3)}
		got, err := answering(t, 200, row.body).Decrypt(context.Background(), "key", req)
		if (err == nil) != row.ok {
			t.Errorf("%s: %v", row.name, err)
		}
		if row.ok && !bytes.Equal(got.Plaintext, make([]byte, 3)) {
			t.Errorf("%s: got %x", row.name, got.Plaintext)
		}
	}
}

// XKS facts 57 to 59.
func TestKeyMetadatasAnswer(t *testing.T) {
	eleven := strings.Repeat(`"SIGN",`, 10) + `"SIGN"`
	for _, row := range []struct {
		name, body string
		ok         bool
	}{
		{"good", `{"keySpec":"AES_256","keyUsage":["ENCRYPT","DECRYPT"],"keyStatus":"ENABLED"}`, true},
		{"another key is told as it is", `{"keySpec":"RSA_2048","keyUsage":[],"keyStatus":"DISABLED"}`, true},
		{"no spec", `{"keyUsage":["ENCRYPT"],"keyStatus":"ENABLED"}`, false},
		{"no usage", `{"keySpec":"AES_256","keyStatus":"ENABLED"}`, false},
		{"eleven usages", `{"keySpec":"AES_256","keyUsage":[` + eleven + `],"keyStatus":"ENABLED"}`, false},
		{"usage is a string", `{"keySpec":"AES_256","keyUsage":"ENCRYPT","keyStatus":"ENABLED"}`, false},
		{"no status", `{"keySpec":"AES_256","keyUsage":["ENCRYPT"]}`, false},
		{"another status", `{"keySpec":"AES_256","keyUsage":["ENCRYPT"],"keyStatus":"enabled"}`, false},
	} {
		got, err := answering(t, 200, row.body).GetKeyMetadata(context.Background(), "key", &GetKeyMetadataRequest{someMetadata()})
		if (err == nil) != row.ok {
			t.Errorf("%s: %+v, %v", row.name, got, err)
		}
	}
}

// XKS facts 69, 70.
func TestHealthsAnswer(t *testing.T) {
	good := GetHealthStatusResponse{1, "v", "m 1", "e", []EKMFleetDetail{
		{"1", "m", HealthActive}, {"2", "m", HealthDegraded}, {"3", "m", HealthUnavailable}}}
	detail := `{"id":"1","model":"m","healthStatus":"ACTIVE"}`
	body := func(fleet, vendor, details string) string {
		return `{"xksProxyFleetSize":` + fleet + `,"xksProxyVendor":"` + vendor + `","xksProxyModel":"m 1","ekmVendor":"e","ekmFleetDetails":[` + details + `]}`
	}
	for _, row := range []struct {
		name, body string
		ok         bool
	}{
		{"good", body("1", "v", detail+`,{"id":"2","model":"m","healthStatus":"DEGRADED"},{"id":"3","model":"m","healthStatus":"UNAVAILABLE"}`), true},
		{"fleet of none", body("0", "v", detail), false},
		{"no vendor", body("1", "", detail), false},
		{"no details", body("1", "v", ""), false},
		{"eleven details", body("1", "v", strings.Repeat(detail+",", 10)+detail), false},
		{"detail without id", body("1", "v", `{"model":"m","healthStatus":"ACTIVE"}`), false},
		{"another status", body("1", "v", `{"id":"1","model":"m","healthStatus":"OK"}`), false},
	} {
		got, err := answering(t, 200, row.body).GetHealthStatus(context.Background(), &GetHealthStatusRequest{})
		if (err == nil) != row.ok {
			t.Errorf("%s: %v", row.name, err)
		}
		if row.ok && !cmp.Equal(*got, good) {
			t.Error(cmp.Diff(*got, good))
		}
	}
}

// FuzzClientResponse: no answer makes the client panic, and what it takes for
// good keeps the protocol's rules.
func FuzzClientResponse(f *testing.F) {
	f.Add(200, []byte(encryptAnswer("other", "x")))
	f.Add(200, []byte(`{"plaintext":"AAAA"}`))
	f.Add(429, []byte(`{"errorName":"ThrottlingException","errorMessage":"\u00e9"}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		a := answer{status: status, body: body}
		sealed := new(EncryptResponse)
		req := &EncryptRequest{Plaintext: make([]byte, 3), CiphertextDataIntegrityValueAlgorithm: AlgorithmSHA256, AdditionalAuthenticatedData: []byte("aad")}
		err := readResponse(a, 1, sealed, func(r *EncryptResponse) error { return checkEncrypt(req, r) })
		if err == nil && (status != 200 || len(sealed.Ciphertext) != 3 || len(sealed.AuthenticationTag) != TagSize || len(sealed.CiphertextMetadata) > MaxMetadata) {
			t.Errorf("took %d %s for good", status, body)
		}
		if e, ok := err.(*Error); ok && (!e.Name.Valid() || len(e.Message) > maxErrorMessage || status < 400) {
			t.Errorf("took %d %s for the error %+v", status, body, e)
		}
		_ = readResponse(a, 1, new(GetKeyMetadataResponse), checkKeyMetadata)
		_ = readResponse(a, 1, new(GetHealthStatusResponse), checkHealth)
	})
}
