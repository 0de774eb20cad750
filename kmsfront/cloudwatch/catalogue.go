package cloudwatch

// Names of the metrics of external key stores.
const (
	ExternalKeyStoreThrottle        = "ExternalKeyStoreThrottle"
	XksProxyCertificateDaysToExpire = "XksProxyCertificateDaysToExpire"
	XksProxyCredentialAge           = "XksProxyCredentialAge"
	XksProxyErrors                  = "XksProxyErrors"
	XksExternalKeyManagerStates     = "XksExternalKeyManagerStates"
	XksProxyLatency                 = "XksProxyLatency"
)

// Names of their dimensions. Of the two names that the guide has for some, these
// are its definitions', not its samples' (contradiction 12).
const (
	CustomKeyStoreID        = "CustomKeyStoreId"
	KMSOperation            = "KmsOperation"
	XksOperation            = "XksOperation"
	KeySpec                 = "KeySpec"
	ErrorType               = "ErrorType"
	ExceptionName           = "ExceptionName"
	CertificateName         = "CertificateName"
	ExternalKeyManagerState = "XksExternalKeyManagerState"
)

type entry struct {
	name       string
	dimensions []string
}

// catalogue is custom-key-stores §14, a metric a row.
var catalogue = []entry{
	{ExternalKeyStoreThrottle, []string{CustomKeyStoreID, KMSOperation, KeySpec}},                               // 004:7612-7627
	{XksProxyCertificateDaysToExpire, []string{CustomKeyStoreID, CertificateName}},                              // 004:7629-7641
	{XksProxyCredentialAge, []string{CustomKeyStoreID}},                                                         // 004:7643-7654
	{XksProxyErrors, []string{CustomKeyStoreID, KMSOperation, XksOperation, KeySpec, ErrorType, ExceptionName}}, // 004:7656-7673
	{XksExternalKeyManagerStates, []string{CustomKeyStoreID, ExternalKeyManagerState}},                          // 004:7675-7691
	{XksProxyLatency, []string{CustomKeyStoreID, KMSOperation, XksOperation, KeySpec}},                          // 004:7693-7707
}

func find(metric string) (entry, bool) {
	for _, e := range catalogue {
		if e.name == metric {
			return e, true
		}
	}
	return entry{}, false
}

// Catalogue gives the names of all metrics, each with its dimensions.
func Catalogue() map[string][]string {
	all := make(map[string][]string, len(catalogue))
	for _, e := range catalogue {
		all[e.name] = e.dimensions
	}
	return all
}
