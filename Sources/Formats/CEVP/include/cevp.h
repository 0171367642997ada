// What Martlet needs of libcrypto (OpenSSL 3) and of the processor, as plain C functions that Swift can call.
// No OpenSSL header is included here, so that the Swift compiler never has to import them.
//
// Functions that return int answer 1 for success and 0 for failure unless said otherwise. A failure other than a failed
// authentication means that libcrypto is out of memory or lacks the algorithm. The library context is one of our own,
// so a system-wide openssl.cnf neither adds providers nor takes MD5 away.

#ifndef CEVP_H
#define CEVP_H

#include <stddef.h>
#include <stdint.h>

// ---- Digests

typedef struct cevp_digest cevp_digest;

enum { CEVP_MD5 = 0, CEVP_SHA1 = 1, CEVP_SHA256 = 2, CEVP_SHA512 = 3, CEVP_SHA3_256 = 4 };

/// A running digest, or NULL.
cevp_digest *cevp_digest_new(int algorithm);
int cevp_digest_update(cevp_digest *digest, const void *bytes, size_t count);
/// Writes the digest (at most 64 bytes) and begins anew.
int cevp_digest_finish(cevp_digest *digest, uint8_t *out);
void cevp_digest_free(cevp_digest *digest);

// ---- AES-256-GCM with a 96-bit nonce and a 128-bit tag

typedef struct cevp_gcm cevp_gcm;

/// A context with its key schedule, for sealing only or for opening only, or NULL. Not for two threads at once.
cevp_gcm *cevp_gcm_new(const uint8_t key[32], int seals);
/// Frees the context and wipes the key schedule.
void cevp_gcm_free(cevp_gcm *gcm);
/// Writes count + 16 bytes: ciphertext, then tag. count and aad_count are at most 2^30.
int cevp_gcm_seal(cevp_gcm *gcm, const uint8_t nonce[12], const void *aad, size_t aad_count, const void *plain,
                  size_t count, void *sealed);
/// Reads count bytes of ciphertext and then 16 of tag, writes count bytes. 1 for success, 0 if the tag does not match
/// (out is wiped then), -1 if libcrypto fails.
int cevp_gcm_open(cevp_gcm *gcm, const uint8_t nonce[12], const void *aad, size_t aad_count, const void *sealed,
                  size_t count, void *plain);

// ---- Keyed hashes and key derivation

int cevp_hmac_sha256(const void *key, size_t key_count, const void *bytes, size_t count, uint8_t out[32]);
int cevp_hkdf_sha256(const void *key, size_t key_count, const void *salt, size_t salt_count, const void *info,
                     size_t info_count, uint8_t *out, size_t out_count);
int cevp_scrypt(const void *password, size_t password_count, const void *salt, size_t salt_count, uint64_t n,
                uint64_t r, uint64_t p, uint64_t memory_max, uint8_t *out, size_t out_count);

/// 1 if both areas hold the same bytes; the time depends on count alone.
int cevp_equal(const void *a, const void *b, size_t count);
/// Overwrites memory in a way the compiler may not leave out.
void cevp_wipe(void *bytes, size_t count);

// ---- Signing with keys that people keep in files

typedef struct cevp_key cevp_key;

enum { CEVP_KEY_OTHER = 0, CEVP_KEY_RSA = 1, CEVP_KEY_EC = 2, CEVP_KEY_ED25519 = 3 };

/// Reads a private key in PEM: PKCS #8, also encrypted, PKCS #1 or SEC 1. -1 where a passphrase is missing or wrong.
int cevp_key_read_pem(const void *bytes, size_t count, const char *passphrase, size_t passphrase_count, cevp_key **out);
/// Reads the private key and its certificate (in DER, to be freed by cevp_bytes_free) of a PKCS #12 file. -1 where the
/// passphrase, which may be NULL, is wrong.
int cevp_key_read_pkcs12(const void *bytes, size_t count, const char *passphrase, cevp_key **out, uint8_t **certificate,
                         size_t *certificate_count);
void cevp_key_free(cevp_key *key);
void cevp_bytes_free(uint8_t *bytes);
int cevp_key_kind(const cevp_key *key);
/// Signs: PKCS #1 v1.5 with SHA-256, DER of ECDSA with SHA-256, or Ed25519. *out_count is the room, and becomes what was
/// written. A key may be used by several threads at once.
int cevp_key_sign(const cevp_key *key, const void *bytes, size_t count, uint8_t *out, size_t *out_count);

// ---- Cyclic redundancy checks, all of the reflected kind with an all-ones start and an inverted result

enum { CEVP_CRC32 = 0, CEVP_CRC32C = 1, CEVP_CRC64NVME = 2 };

/// The checksum of all bytes so far followed by these. Begin with 0.
uint64_t cevp_crc_update(int algorithm, uint64_t crc, const void *bytes, size_t count);
/// The same by tables alone, whatever the processor offers: the yardstick of the tests.
uint64_t cevp_crc_update_portable(int algorithm, uint64_t crc, const void *bytes, size_t count);
/// The checksum of A followed by B, from that of A, that of B and the length of B in bytes.
uint64_t cevp_crc_combine(int algorithm, uint64_t crc_a, uint64_t crc_b, uint64_t count_b);

#endif
