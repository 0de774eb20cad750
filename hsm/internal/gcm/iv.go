package gcm

// IVSize is the size of the IVs that Seal gives, in bytes.
const IVSize = 12

// An IV says who makes the IV of an encryption, and where it stands afterwards.
type IV uint8

// The makers of IVs.
const (
	CallerIV   IV = iota // the caller
	WrittenIV            // the device, over the 12 zero bytes that it was given
	AppendedIV           // the device, behind the tag; it is given none
)

// Seal is Encrypt for each maker of IVs: iv has IVSize bytes, the caller's IV if
// it is the maker, and the IV used afterwards. made tells whether there is one: an
// IV of zeros is none, since a device that takes it makes the same one each time.
func (f *Functions) Seal(who IV, session, key uint, iv, aad, in, out []byte) (r Result, made bool) {
	switch who {
	case WrittenIV:
		clear(iv)
		r = f.Encrypt(session, key, iv, aad, in, out)
	case AppendedIV:
		clear(iv)
		r = f.Encrypt(session, key, nil, aad, in, out)
		if end := len(in) + TagSize + IVSize; r.RV == 0 && r.N == end {
			r.N -= IVSize
			copy(iv, out[r.N:end])
		}
	default:
		r = f.Encrypt(session, key, iv, aad, in, out)
	}
	return r, [IVSize]byte(iv) != [IVSize]byte{}
}
