package keystore

import "hyok/kmsfront/api"

// The connection states (guide 004:21677-21695).
const (
	connected     = api.ConnectionStateTypeConnected
	connecting    = api.ConnectionStateTypeConnecting
	failed        = api.ConnectionStateTypeFailed
	disconnected  = api.ConnectionStateTypeDisconnected
	disconnecting = api.ConnectionStateTypeDisconnecting
)

// A verdict is what a use meets in a connection state. The names are equally
// long, so that the table below stays in columns.
type verdict uint8

const (
	pass verdict = iota // it goes on
	noop                // success, and nothing happens
	bars                // CustomKeyStoreInvalidStateException
	kise                // KMSInvalidStateException, M-01
)

// A use is what a key store is wanted for: a column of the state table.
type use uint8

const (
	useConnect use = iota
	useDisconnect
	useEditXKS     // Update, members that can change while connected
	useEditCHS     // the same for an AWS CloudHSM key store: its name
	useReconfigure // Update, members that need DISCONNECTED
	useDelete
	useCreateKey
	useRandom // GenerateRandom from a cluster
	useCrypto
	uses int = iota
)

// useNames complete the sentence "… does not allow …".
var useNames = [uses]string{
	"ConnectCustomKeyStore", "DisconnectCustomKeyStore",
	"UpdateCustomKeyStore", "UpdateCustomKeyStore", "UpdateCustomKeyStore with members that need the state DISCONNECTED",
	"DeleteCustomKeyStore", "CreateKey", "GenerateRandom", "cryptographic operations",
}

// stateTable is custom-key-stores §3, a row a state. Contradictions are read
// so: connecting what is CONNECTED or CONNECTING does nothing (5); an AWS
// CloudHSM key store can be renamed while CONNECTED or DISCONNECTED (1). The
// last column tells whether Describe shows ConnectionErrorCode.
var stateTable = []struct {
	verdicts  [uses]verdict
	showsCode bool
	state     string
}{
	//Conn Disc  EdX   EdC   Reco  Del   CrKey Rand  Crypto
	{[uses]verdict{pass, bars, pass, pass, pass, pass, bars, bars, kise}, false, disconnected},  // 004:18899-18902, 18912, 19165, 21656-21658
	{[uses]verdict{noop, pass, bars, bars, bars, bars, bars, bars, kise}, false, connecting},    // 004:18899, 18955; API
	{[uses]verdict{noop, pass, pass, pass, bars, bars, pass, pass, pass}, false, connected},     // 004:18955, 21010, 21028-21042, 21190-21192
	{[uses]verdict{bars, bars, bars, bars, bars, bars, bars, bars, kise}, false, disconnecting}, // 004:18899, 21725; API
	{[uses]verdict{bars, pass, pass, bars, bars, bars, bars, bars, kise}, true, failed},         // 004:19730, 21670, 21697, 21701, 22543
}

func verdictOf(state string, u use) verdict {
	for i := range stateTable {
		if stateTable[i].state == state {
			return stateTable[i].verdicts[u]
		}
	}
	return bars
}

// showsCode tells whether Describe shows ConnectionErrorCode in a state.
func showsCode(state string) bool {
	for i := range stateTable {
		if stateTable[i].state == state {
			return stateTable[i].showsCode
		}
	}
	return false
}

// check tells whether the record's state allows u: pass or noop, or an error.
func (r *Record) check(u use) (verdict, error) {
	v := verdictOf(r.State, u)
	if v == bars {
		return v, api.Errorf(api.CodeCustomKeyStoreInvalidStateException, msgState, r.ID, r.State, useNames[u])
	}
	return v, nil
}
