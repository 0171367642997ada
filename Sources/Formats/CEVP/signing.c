#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <string.h>

#include "cevp.h"
#include "library.h"

struct cevp_key {
    EVP_PKEY *pkey;
};

/// What the reader of a key file asks for, and whether it did.
struct passphrase {
    const char *text;
    size_t count;
    int asked;
};

static int answer(char *buffer, int room, int writes, void *argument) {
    struct passphrase *passphrase = argument;
    (void)writes;
    passphrase->asked = 1;
    if (passphrase->text == NULL || room < 0 || passphrase->count > (size_t)room) return -1;
    memcpy(buffer, passphrase->text, passphrase->count);
    return (int)passphrase->count;
}

static cevp_key *wrap(EVP_PKEY *pkey) {
    cevp_key *key = OPENSSL_zalloc(sizeof *key);
    if (key == NULL) {
        EVP_PKEY_free(pkey);
        return NULL;
    }
    key->pkey = pkey;
    return key;
}

int cevp_key_read_pem(const void *bytes, size_t count, const char *passphrase, size_t passphrase_count, cevp_key **out) {
    OSSL_LIB_CTX *library = cevp_library();
    *out = NULL;
    if (library == NULL || count > INT_MAX) return 0;
    BIO *bio = BIO_new_mem_buf(bytes, (int)count);
    if (bio == NULL) return 0;
    struct passphrase asked = {passphrase, passphrase_count, 0};
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey_ex(bio, NULL, answer, &asked, library, NULL);
    BIO_free(bio);
    if (pkey == NULL) return asked.asked ? -1 : 0;
    *out = wrap(pkey);
    return *out != NULL;
}

int cevp_key_read_pkcs12(const void *bytes, size_t count, const char *passphrase, cevp_key **out, uint8_t **certificate,
                         size_t *certificate_count) {
    OSSL_LIB_CTX *library = cevp_library();
    *out = NULL;
    *certificate = NULL;
    *certificate_count = 0;
    if (library == NULL || count > LONG_MAX) return 0;
    PKCS12 *box = PKCS12_init_ex(NID_pkcs7_data, library, NULL);
    const unsigned char *at = bytes;
    if (box == NULL) return 0;
    if (d2i_PKCS12(&box, &at, (long)count) == NULL) {
        PKCS12_free(box);
        return 0;
    }
    EVP_PKEY *pkey = NULL;
    X509 *own = NULL;
    int opened = PKCS12_parse(box, passphrase, &pkey, &own, NULL);
    PKCS12_free(box);
    int outcome = opened ? 0 : -1;
    if (opened && pkey != NULL && own != NULL) {
        int length = i2d_X509(own, certificate);
        if (length > 0) {
            *certificate_count = (size_t)length;
            *out = wrap(pkey);
            pkey = NULL;
            outcome = *out != NULL;
        }
    }
    EVP_PKEY_free(pkey);
    X509_free(own);
    return outcome;
}

void cevp_key_free(cevp_key *key) {
    if (key == NULL) return;
    EVP_PKEY_free(key->pkey);
    OPENSSL_free(key);
}

void cevp_bytes_free(uint8_t *bytes) { OPENSSL_free(bytes); }

int cevp_key_kind(const cevp_key *key) {
    if (EVP_PKEY_is_a(key->pkey, "RSA")) return CEVP_KEY_RSA;
    if (EVP_PKEY_is_a(key->pkey, "EC")) return CEVP_KEY_EC;
    if (EVP_PKEY_is_a(key->pkey, "ED25519")) return CEVP_KEY_ED25519;
    return CEVP_KEY_OTHER;
}

int cevp_key_sign(const cevp_key *key, const void *bytes, size_t count, uint8_t *out, size_t *out_count) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL) return 0;
    // Ed25519 has its own digest within.
    const char *digest = cevp_key_kind(key) == CEVP_KEY_ED25519 ? NULL : "SHA256";
    const uint8_t empty = 0;
    int ok = EVP_DigestSignInit_ex(context, NULL, digest, cevp_library(), NULL, key->pkey, NULL) == 1 &&
             EVP_DigestSign(context, out, out_count, count == 0 ? &empty : bytes, count) == 1;
    EVP_MD_CTX_free(context);
    return ok;
}
