package stamp

import (
	"bytes"
	"crypto"
	"crypto/sha1" //nolint:gosec // the older form of the attribute that binds the certificate has no other
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"strings"

	_ "crypto/sha512" // for crypto.SHA384 and crypto.SHA512

	"packseal.example/internal/fault"
)

var (
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidTSTInfo       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningCert   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12}
	oidSigningCertV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	oidExtKeyUsage   = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidSHA256        = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidRSA           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidPSS           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidEd25519       = asn1.ObjectIdentifier{1, 3, 101, 112}
	hashes           = []hash{ // SHA-1 is not among them
		{crypto.SHA256, oidSHA256, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.ECDSAWithSHA256},
		{crypto.SHA384, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384},
		{crypto.SHA512, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512},
	}
)

// hash is a hash, its identifier, those of signatures over it, and what these are.
type hash struct {
	hash                crypto.Hash
	id, withRSA, withEC asn1.ObjectIdentifier
	rsa, pss, ecdsa     x509.SignatureAlgorithm
}

// sum returns the hash of b.
func (h hash) sum(b []byte) []byte {
	w := h.hash.New()
	w.Write(b)
	return w.Sum(nil)
}

// signature returns which signatures over the hash have that identifier; 0 = none.
func (h hash) signature(id asn1.ObjectIdentifier) x509.SignatureAlgorithm {
	switch {
	case id.Equal(oidRSA), id.Equal(h.withRSA):
		return h.rsa
	case id.Equal(oidPSS):
		return h.pss
	case id.Equal(h.withEC):
		return h.ecdsa
	case id.Equal(oidEd25519) && h.hash == crypto.SHA512: // RFC 8419
		return x509.PureEd25519
	}
	return x509.UnknownSignatureAlgorithm
}

func hashOf(id asn1.ObjectIdentifier) (hash, error) {
	i := slices.IndexFunc(hashes, func(h hash) bool { return h.id.Equal(id) })
	if i < 0 {
		return hash{}, damaged("the hash %s is not one of SHA-256, SHA-384 and SHA-512", id)
	}
	return hashes[i], nil
}

// signedData is a SignedData (RFC 5652, 5.1).
type signedData struct {
	Version int
	Digests []pkix.AlgorithmIdentifier `asn1:"set"`
	Content struct {
		Type   asn1.ObjectIdentifier
		Octets []byte `asn1:"explicit,tag:0"`
	}
	Certificates asn1.RawValue `asn1:"optional,tag:0"`
	Revocations  asn1.RawValue `asn1:"optional,tag:1"`
	Signers      []signerInfo  `asn1:"set"`
}

type signerInfo struct {
	Version    int
	ID         asn1.RawValue // IssuerAndSerialNumber, or [0] SubjectKeyIdentifier
	Digest     pkix.AlgorithmIdentifier
	Attributes asn1.RawValue `asn1:"optional,tag:0"`
	Algorithm  pkix.AlgorithmIdentifier
	Signature  []byte
	Unsigned   asn1.RawValue `asn1:"optional,tag:1"`
}

type issuerAndSerial struct {
	Issuer asn1.RawValue
	Serial *big.Int
}

// essID is an ESSCertID.
type essID struct {
	Sum    []byte
	Issuer asn1.RawValue `asn1:"optional"`
}

// essIDv2 is an ESSCertIDv2.
type essIDv2 struct {
	Hash   pkix.AlgorithmIdentifier `asn1:"optional"` // default SHA-256
	Sum    []byte
	Issuer asn1.RawValue `asn1:"optional"`
}

// message is a time-stamp as it is signed.
type message struct {
	signedData
	certificates []*x509.Certificate
}

// open reads a TimeStampResp. Its parser is strict: BER that is not DER is refused, as
// RFC 3161 says.
func open(resp []byte) (*message, error) {
	if len(resp) > MaxSize {
		return nil, damaged("a time-stamp of %d bytes is larger than %d", len(resp), MaxSize)
	}
	var r struct {
		Status struct {
			Status  int
			Text    []string       `asn1:"optional,utf8"`
			Failure asn1.BitString `asn1:"optional"`
		}
		Token struct {
			Type    asn1.ObjectIdentifier
			Content asn1.RawValue `asn1:"explicit,tag:0"`
		} `asn1:"optional"`
	}
	if err := unmarshal(resp, &r, ""); err != nil {
		return nil, damaged("it is not a TimeStampResp: %w", err)
	}
	if r.Status.Status > 1 { // neither granted nor grantedWithMods
		return nil, refusal(r.Status.Failure, strings.Join(r.Status.Text, ", "))
	}
	if !r.Token.Type.Equal(oidSignedData) {
		return nil, damaged("it holds no signed data")
	}
	m := &message{}
	if err := unmarshal(r.Token.Content.Bytes, &m.signedData, ""); err != nil {
		return nil, damaged("its signed data: %w", err)
	}
	if !m.Content.Type.Equal(oidTSTInfo) {
		return nil, damaged("its content is %s, not a TSTInfo", m.Content.Type)
	}
	return m, m.parseCertificates()
}

// refusal is the error for what an authority did not grant.
func refusal(failure asn1.BitString, text string) error {
	const timeNotAvailable, systemFailure = 14, 25
	if failure.At(timeNotAvailable) == 1 || failure.At(systemFailure) == 1 {
		return fault.New(fault.Unavailable, "the authority can't give a time-stamp now: %.200q", text)
	}
	return fault.New(fault.Request, "the authority refused: %.200q", text).WithHint("see its documentation for what it grants, and to whom")
}

// parseCertificates reads the certificates. What else the set can hold is passed over.
func (m *message) parseCertificates() error {
	for rest := m.Certificates.Bytes; len(rest) > 0; {
		var v asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &v); err != nil {
			return damaged("its certificates: %w", err)
		}
		if v.Class != asn1.ClassUniversal {
			continue
		}
		c, err := x509.ParseCertificate(v.FullBytes)
		if err != nil {
			return damaged("its certificates: %w", err)
		}
		m.certificates = append(m.certificates, c)
	}
	return nil
}

// verify checks the one signature, and returns whose it is.
func (m *message) verify() (*x509.Certificate, error) {
	if len(m.Signers) != 1 {
		return nil, damaged("it has %d signers, not one", len(m.Signers))
	}
	s := m.Signers[0]
	signer := m.find(s.ID)
	if signer == nil {
		return nil, damaged("the certificate of its signer is not in it")
	}
	h, err := hashOf(s.Digest.Algorithm)
	if err != nil {
		return nil, err
	}
	algorithm := h.signature(s.Algorithm.Algorithm)
	if algorithm == x509.UnknownSignatureAlgorithm {
		return nil, damaged("the signature algorithm %s is not one over the hash %s that is known here", s.Algorithm.Algorithm, h.hash)
	}
	if len(s.Attributes.FullBytes) == 0 {
		return nil, damaged("it has no signed attributes")
	}
	set := append([]byte{0x31}, s.Attributes.FullBytes[1:]...) // signed is the SET OF (RFC 5652, 5.4)
	if err := signer.CheckSignature(algorithm, set, s.Signature); err != nil {
		return nil, damaged("its signature: %w", err)
	}
	return signer, m.checkAttributes(set, h, signer)
}

// find returns the certificate that an identifier names; nil if there is none.
func (m *message) find(id asn1.RawValue) *x509.Certificate {
	var by issuerAndSerial
	named := unmarshal(id.FullBytes, &by, "") == nil
	for _, c := range m.certificates {
		switch {
		case named && bytes.Equal(c.RawIssuer, by.Issuer.FullBytes) && c.SerialNumber.Cmp(by.Serial) == 0,
			id.Class == asn1.ClassContextSpecific && id.Tag == 0 && len(id.Bytes) > 0 && bytes.Equal(c.SubjectKeyId, id.Bytes):
			return c
		}
	}
	return nil
}

// checkAttributes checks what is signed: content and certificate.
func (m *message) checkAttributes(set []byte, h hash, signer *x509.Certificate) error {
	var list []struct {
		Type   asn1.ObjectIdentifier
		Values []asn1.RawValue `asn1:"set"`
	}
	if err := unmarshal(set, &list, "set"); err != nil {
		return damaged("its signed attributes: %w", err)
	}
	values := make(map[string][]byte)
	for _, a := range list {
		if _, twice := values[a.Type.String()]; twice || len(a.Values) != 1 {
			return damaged("the signed attribute %s has more than one value, or none", a.Type)
		}
		values[a.Type.String()] = a.Values[0].FullBytes
	}
	var kind asn1.ObjectIdentifier
	var digest []byte
	if err := unmarshal(values[oidContentType.String()], &kind, ""); err != nil || !kind.Equal(oidTSTInfo) {
		return damaged("what is signed is not said to be a TSTInfo")
	}
	if err := unmarshal(values[oidMessageDigest.String()], &digest, ""); err != nil || !bytes.Equal(digest, h.sum(m.Content.Octets)) {
		return damaged("its content is not what was signed")
	}
	return bound(values[oidSigningCert.String()], values[oidSigningCertV2.String()], signer)
}

// bound checks that the signature says which certificate it is to be checked with, in
// the older attribute, the newer one, or both.
func bound(v1, v2 []byte, signer *x509.Certificate) error {
	if v1 == nil && v2 == nil {
		return damaged("its signature does not name its certificate")
	}
	if v1 != nil {
		var a struct {
			Certs    []essID
			Policies asn1.RawValue `asn1:"optional"`
		}
		sum := sha1.Sum(signer.Raw) //nolint:gosec // see the import
		if err := unmarshal(v1, &a, ""); err != nil || len(a.Certs) == 0 || !bytes.Equal(a.Certs[0].Sum, sum[:]) {
			return damaged("its signature names another certificate (signingCertificate)")
		}
	}
	if v2 != nil {
		var a struct {
			Certs    []essIDv2
			Policies asn1.RawValue `asn1:"optional"`
		}
		if err := unmarshal(v2, &a, ""); err != nil || len(a.Certs) == 0 {
			return damaged("its signature names another certificate (signingCertificateV2)")
		}
		first := a.Certs[0]
		h := hashes[0]
		if len(first.Hash.Algorithm) > 0 {
			var err error
			if h, err = hashOf(first.Hash.Algorithm); err != nil {
				return err
			}
		}
		if !bytes.Equal(first.Sum, h.sum(signer.Raw)) {
			return damaged("its signature names another certificate (signingCertificateV2)")
		}
	}
	return nil
}

// unmarshal is asn1.UnmarshalWithParams for the whole of b.
func unmarshal(b []byte, v any, params string) error {
	rest, err := asn1.UnmarshalWithParams(b, v, params)
	if err == nil && len(rest) > 0 {
		err = errors.New("there are bytes after it")
	}
	return err
}
