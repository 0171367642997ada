// What Martlet needs of a PKCS#11 token (OASIS PKCS #11 v2.40 and v3.0), as plain C functions that Swift can call. The
// module is loaded when it is first named, so nothing has to be linked; it stays loaded until the process ends.
//
// Functions return a CK_RV: 0 for success, one of the standard's codes, or one of those below, which lie in the range
// that the standard leaves to vendors. No two calls may be made at once.

#ifndef CPKCS11_H
#define CPKCS11_H

#include <stddef.h>
#include <stdint.h>

enum cpkcs11_fault {
    CPKCS11_NO_MODULE = 0xF0000001,
    CPKCS11_NO_TOKEN = 0xF0000002,
    CPKCS11_SEVERAL_TOKENS = 0xF0000003,
    CPKCS11_NO_KEY = 0xF0000004,
    CPKCS11_SEVERAL_KEYS = 0xF0000005,
    CPKCS11_NOT_256_BITS = 0xF0000006,
    CPKCS11_NO_MECHANISM = 0xF0000007,
};

/// Which token is meant. NULL: any.
typedef struct {
    const char *label;
    const char *manufacturer;
    const char *model;
    const char *serial;
} cpkcs11_token;

/// Which key is meant, by its label, its id, or both. NULL: any.
typedef struct {
    const char *label;
    const uint8_t *id;
    size_t id_count;
} cpkcs11_key;

typedef struct cpkcs11_session cpkcs11_session;

/// Opens a session with the one token that matches, and logs the user in where there is a PIN.
unsigned long cpkcs11_open(
    const char *module, const cpkcs11_token *token, const uint8_t *pin, size_t pin_count, int writes,
    cpkcs11_session **session);
void cpkcs11_close(cpkcs11_session *session);

/// Chooses the one AES key of 256 bits that matches for the calls that follow.
unsigned long cpkcs11_choose(cpkcs11_session *session, const cpkcs11_key *key);
/// Makes an AES key of 256 bits in the token that never leaves it, and chooses it.
unsigned long cpkcs11_generate(cpkcs11_session *session, const cpkcs11_key *key);

/// Whether the token has the mechanism for the calls below: 1 or 0.
int cpkcs11_has_gcm(cpkcs11_session *session);
int cpkcs11_has_key_wrap_pad(cpkcs11_session *session);

/// AES-GCM inside the token with a tag of 16 bytes. `*out_count` is the room in `out` and becomes what was written.
unsigned long cpkcs11_gcm(
    cpkcs11_session *session, int seals, const uint8_t nonce[12], const uint8_t *authenticated,
    size_t authenticated_count, const uint8_t *in, size_t in_count, uint8_t *out, size_t *out_count);

/// AES key wrap with padding (RFC 5649) inside the token, for tokens without GCM.
unsigned long cpkcs11_key_wrap_pad(
    cpkcs11_session *session, int seals, const uint8_t *in, size_t in_count, uint8_t *out, size_t *out_count);

/// Chooses the one private key of RSA or of an elliptic curve that matches for cpkcs11_sign.
unsigned long cpkcs11_choose_signer(cpkcs11_session *session, const cpkcs11_key *key, int *is_rsa);
/// Signs by the key chosen: RSA (PKCS #1 v1.5 with SHA-256) the message, ECDSA its digest, whose signature is the two
/// numbers of equal length one after another. `*out_count` is the room in `out` and becomes what was written.
unsigned long cpkcs11_sign(
    cpkcs11_session *session, int is_rsa, const uint8_t *in, size_t in_count, uint8_t *out, size_t *out_count);
/// The one certificate that matches, in DER.
unsigned long cpkcs11_certificate(
    cpkcs11_session *session, const cpkcs11_key *key, uint8_t *out, size_t *out_count);

#endif
