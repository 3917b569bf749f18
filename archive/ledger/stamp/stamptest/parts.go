package stamptest

import (
	"crypto"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the older attribute has no other hash
	"crypto/sha256"
	"encoding/asn1"
	"math/big"
	"time"

	"crypto/x509/pkix"
)

// Identifiers of RFC 3161 and of what it builds on.
var (
	SHA1       = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	SHA256     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	Data       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	TSTInfo    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	signedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}

	ecdsaSHA1   = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}
	ecdsaSHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
)

// Parts are what a time-stamp is made of.
type Parts struct {
	Status       int
	Info         Info
	ContentType  asn1.ObjectIdentifier // of the content
	SignedType   asn1.ObjectIdentifier // of the content, as the signed attribute has it
	Digest       []byte                // of the content, as the signed attribute has it; nil = what it is
	Hash         crypto.Hash           // SHA1 or SHA256
	Bind         []Attribute           // the attributes that name the certificate
	Signers      []Signer
	Certificates [][]byte // DER
	Break        func(signature []byte)
}

// Info is a TSTInfo.
type Info struct {
	Version    int
	Policy     asn1.ObjectIdentifier
	Imprint    Imprint
	Serial     *big.Int
	Time       time.Time        `asn1:"generalized"`
	Accuracy   Accuracy         `asn1:"optional"`
	Ordering   bool             `asn1:"optional"`
	Nonce      *big.Int         `asn1:"optional"`
	Extensions []pkix.Extension `asn1:"optional,omitempty,tag:1"`
}

// Imprint is a MessageImprint.
type Imprint struct {
	Algorithm pkix.AlgorithmIdentifier
	Sum       []byte
}

// Accuracy is the like of a TSTInfo.
type Accuracy struct {
	Seconds int64 `asn1:"optional"`
	Millis  int64 `asn1:"optional,tag:0"`
}

// Attribute is a signed attribute.
type Attribute struct {
	Type   asn1.ObjectIdentifier
	Values []any `asn1:"set"`
}

// BindV1 returns the older attribute that names a certificate.
func BindV1(der []byte) Attribute {
	type id struct{ Sum []byte }
	sum := sha1.Sum(der) //nolint:gosec // see the import
	return Attribute{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12}, []any{struct{ Certs []id }{[]id{{sum[:]}}}}}
}

// BindV2 returns the newer one.
func BindV2(der []byte) Attribute {
	type id struct{ Sum []byte }
	sum := sha256.Sum256(der)
	return Attribute{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}, []any{struct{ Certs []id }{[]id{{sum[:]}}}}}
}

func (a *Authority) reply(imprint Imprint, nonce *big.Int, at time.Time) ([]byte, error) {
	p := &Parts{
		Info: Info{
			Version: 1, Policy: asn1.ObjectIdentifier{1, 2, 3, 4, 1}, Imprint: imprint, Serial: a.next(),
			Time: at.UTC().Truncate(time.Second), Accuracy: Accuracy{Seconds: 1}, Nonce: nonce,
		},
		ContentType: TSTInfo, SignedType: TSTInfo, Hash: crypto.SHA256,
		Signers: []Signer{a.Self}, Certificates: [][]byte{a.Self.Cert.Raw},
		Bind: []Attribute{BindV2(a.Self.Cert.Raw)}, Break: func([]byte) {},
	}
	if a.Forge != nil {
		a.Forge(p)
	}
	return p.response()
}

// response returns the TimeStampResp.
func (p *Parts) response() ([]byte, error) {
	type status struct{ Status int }
	if p.Status > 1 {
		return asn1.Marshal(struct{ Status status }{status{p.Status}})
	}
	content, err := asn1.Marshal(p.Info)
	if err != nil {
		return nil, err
	}
	var certificates, signers []byte
	for _, c := range p.Certificates {
		certificates = append(certificates, c...)
	}
	for _, s := range p.Signers {
		info, err := p.sign(content, s)
		if err != nil {
			return nil, err
		}
		signers = append(signers, info...)
	}
	type encapsulated struct {
		Type    asn1.ObjectIdentifier
		Content []byte `asn1:"explicit,tag:0"`
	}
	type token struct {
		Type    asn1.ObjectIdentifier
		Content any `asn1:"explicit,tag:0"`
	}
	return asn1.Marshal(struct {
		Status status
		Token  token
	}{status{p.Status}, token{signedData, struct {
		Version      int
		Digests      []pkix.AlgorithmIdentifier `asn1:"set"`
		Content      encapsulated
		Certificates asn1.RawValue `asn1:"optional"`
		Signers      asn1.RawValue
	}{
		3, []pkix.AlgorithmIdentifier{{Algorithm: p.digest()}}, encapsulated{p.ContentType, content},
		asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: certificates},
		asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: signers},
	}}})
}

func (p *Parts) digest() asn1.ObjectIdentifier {
	if p.Hash == crypto.SHA1 {
		return SHA1
	}
	return SHA256
}

func (p *Parts) sum(b []byte) []byte {
	h := p.Hash.New()
	h.Write(b)
	return h.Sum(nil)
}

// sign returns the SignerInfo of one signer.
func (p *Parts) sign(content []byte, s Signer) ([]byte, error) {
	digest := p.Digest
	if digest == nil {
		digest = p.sum(content)
	}
	attributes := append([]Attribute{
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}, []any{p.SignedType}},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}, []any{digest}},
	}, p.Bind...)
	set, err := asn1.MarshalWithParams(attributes, "set")
	if err != nil {
		return nil, err
	}
	signature, err := s.Key.Sign(rand.Reader, p.sum(set), p.Hash)
	if err != nil {
		return nil, err
	}
	p.Break(signature)
	algorithm := ecdsaSHA256
	if p.Hash == crypto.SHA1 {
		algorithm = ecdsaSHA1
	}
	type id struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}
	return asn1.Marshal(struct {
		Version    int
		ID         id
		Digest     pkix.AlgorithmIdentifier
		Attributes asn1.RawValue
		Algorithm  pkix.AlgorithmIdentifier
		Signature  []byte
	}{
		1, id{asn1.RawValue{FullBytes: s.Cert.RawIssuer}, s.Cert.SerialNumber}, pkix.AlgorithmIdentifier{Algorithm: p.digest()},
		asn1.RawValue{FullBytes: append([]byte{0xa0}, set[1:]...)}, pkix.AlgorithmIdentifier{Algorithm: algorithm}, signature,
	})
}
