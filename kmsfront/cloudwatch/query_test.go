package cloudwatch

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// whole is a request that is right, with every member.
const whole = `{"StartTime":1769860800,"EndTime":"2026-01-31T13:00:00Z","ScanBy":"TimestampDescending","MetricDataQueries":[` +
	`{"Id":"a","Label":"x","GroupBy":["ErrorType"],"MetricStat":{"Metric":{"Namespace":"AWS/KMS","MetricName":"XksProxyErrors",` +
	`"Dimensions":[{"Name":"CustomKeyStoreId","Value":"cks-1"}]},"Period":60,"Stat":"Sum"}}]}`

func TestAWrongRequestIsToldWhatIsWrong(t *testing.T) {
	if _, err := Decode(strings.NewReader(whole)); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ old, new, want string }{
		{whole, ``, "reading the request: EOF"},
		{whole, `[]`, "cannot unmarshal array"},
		{whole, whole + `{}`, "there is something after it"},
		{`"Label"`, `"Expression":"SUM(m1)","Label"`, `unknown field "Expression"`},
		{`1769860800`, `null`, "StartTime and EndTime are needed"},
		{`1769860800`, `"yesterday"`, `"yesterday" is neither seconds since 1970`},
		{`1769860800`, `"2026-01-31T13:00:00Z"`, "StartTime must be before EndTime"},
		{`TimestampDescending`, `Down`, `ScanBy is "Down"`},
		{whole[strings.Index(whole, `[{"Id"`):], `[]}`, "MetricDataQueries has 0 queries, there must be 1 to 100"},
		{`"Id":"a"`, `"Id":"A b"`, `MetricDataQueries[0].Id: "A b" must begin`},
		{`"Period":60`, `"Period":90`, "MetricDataQueries[0].MetricStat.Period: 90 must be a multiple of 60"},
		{`"Period":60`, `"Period":0`, "Period: 0 must be"},
		{`"Stat":"Sum"`, `"Stat":"p101"`, `MetricStat.Stat: "p101" must be Sum`},
		{`"Stat":"Sum"`, `"Stat":"pNaN"`, `MetricStat.Stat: "pNaN" must be`},
		{`AWS/KMS`, `AWS/EC2`, `Namespace: "AWS/EC2" must be AWS/KMS`},
		{`XksProxyErrors`, `XksProxyHsmStates`, `there is no "XksProxyHsmStates"; the metrics are ExternalKeyStoreThrottle`},
		{`"Name":"CustomKeyStoreId"`, `"Name":"CertificateName"`, `XksProxyErrors has no dimension "CertificateName"; it has CustomKeyStoreId`},
		{`"cks-1"`, `""`, "CustomKeyStoreId has no value"},
		{`"ErrorType"`, `"CustomKeyStoreId"`, "CustomKeyStoreId is there twice"},
		{`"MetricStat":{`, `"Other":{`, `unknown field "Other"`},
		{whole[strings.Index(whole, `,"MetricStat"`) : len(whole)-3], ``, "MetricStat is needed"},
		{`]}`, `]},{"Id":"a"`, "invalid character"},
	} {
		body := strings.Replace(whole, tc.old, tc.new, 1)
		if body == whole {
			t.Fatalf("%q is not in the request", tc.old)
		}
		if _, err := Decode(strings.NewReader(body)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s for %s:\n got %v\nwant %s", tc.new, tc.old, err, tc.want)
		}
	}
	query := whole[strings.Index(whole, `{"Id"`) : len(whole)-2]
	twice := strings.Replace(whole, query, query+","+query, 1)
	if _, err := Decode(strings.NewReader(twice)); err == nil || !strings.Contains(err.Error(), "MetricDataQueries[1].Id: a is there twice") {
		t.Errorf("an Id twice: %v", err)
	}
}

func TestTheHandlerAnswersInJSON(t *testing.T) {
	m, _ := newMetrics()
	m.Put(call("cks-1", "None"), 1)
	server := httptest.NewServer(m.Handler())
	t.Cleanup(server.Close)
	for _, tc := range []struct {
		method, body string
		status       int
		want         string
	}{
		{"POST", strings.Replace(whole, `,"GroupBy":["ErrorType"]`, "", 1), 200,
			`{"MetricDataResults":[{"Id":"a","Label":"x","Timestamps":["2026-01-31T12:00:00Z"],"Values":[1],"StatusCode":"Complete"}],"Messages":[]}`},
		{"POST", strings.Replace(whole, `cks-1`, "cks-2", 1), 200,
			`{"MetricDataResults":[{"Id":"a","Label":"x","Timestamps":[],"Values":[],"StatusCode":"Complete"}],"Messages":[]}`},
		{"POST", `{}`, 400, `{"error":"StartTime and EndTime are needed"}`},
		{"GET", ``, 405, `{"error":"the request for data is a POST with a JSON body"}`},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tc.method, server.URL, strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || resp.Body.Close() != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != tc.status || strings.TrimSpace(string(got)) != tc.want {
			t.Errorf("%s %s:\n got %d %s\nwant %d %s", tc.method, tc.body, resp.StatusCode, got, tc.status, tc.want)
		}
	}
}

// What Decode takes is answered, in JSON that can be read.
func FuzzRequest(f *testing.F) {
	f.Add(whole)
	f.Add(`{"StartTime":-1e300,"EndTime":"0001-01-01T00:00:01Z"}`)
	f.Add(strings.Replace(whole, `"Period":60`, `"Period":9223372036854775807`, 1))
	f.Fuzz(func(t *testing.T, body string) {
		m, _ := newMetrics()
		m.Put(call("cks-1", "None"), 1)
		in, err := Decode(strings.NewReader(body))
		if err != nil {
			return
		}
		if _, err := json.Marshal(m.Get(in)); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	})
}
