#include "cevp.h"
#include "library.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

static char sha256[] = "SHA256";

int cevp_hmac_sha256(const void *key, size_t key_count, const void *bytes, size_t count, uint8_t out[32]) {
    EVP_MAC *mac = cevp_hmac();
    EVP_MAC_CTX *context = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);
    if (context == NULL) return 0;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
        OSSL_PARAM_construct_end(),
    };
    // A NULL key means "the key you have" to EVP, so an empty key needs an address.
    const uint8_t empty = 0;
    size_t written = 0;
    int ok = EVP_MAC_init(context, key_count == 0 ? &empty : key, key_count, params) &&
             (count == 0 || EVP_MAC_update(context, bytes, count)) && EVP_MAC_final(context, out, &written, 32);
    EVP_MAC_CTX_free(context);
    return ok;
}

int cevp_hkdf_sha256(const void *key, size_t key_count, const void *salt, size_t salt_count, const void *info,
                     size_t info_count, uint8_t *out, size_t out_count) {
    EVP_KDF *kdf = cevp_hkdf();
    EVP_KDF_CTX *context = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
    if (context == NULL) return 0;
    OSSL_PARAM params[5];
    int used = 0;
    params[used++] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, sha256, 0);
    params[used++] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)key, key_count);
    if (salt_count > 0)
        params[used++] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, salt_count);
    if (info_count > 0)
        params[used++] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, info_count);
    params[used] = OSSL_PARAM_construct_end();
    int ok = EVP_KDF_derive(context, out, out_count, params) == 1;
    EVP_KDF_CTX_free(context);
    return ok;
}

int cevp_scrypt(const void *password, size_t password_count, const void *salt, size_t salt_count, uint64_t n,
                uint64_t r, uint64_t p, uint64_t memory_max, uint8_t *out, size_t out_count) {
    OSSL_LIB_CTX *library = cevp_library();
    if (library == NULL) return 0;
    // A NULL password or salt with a count of 0 would be read as "no password"; give both an address.
    const uint8_t empty = 0;
    return EVP_PBE_scrypt_ex(password_count == 0 ? (const char *)&empty : password, password_count,
                             salt_count == 0 ? &empty : salt, salt_count, n, r, p, memory_max, out, out_count, library,
                             NULL) == 1;
}

int cevp_equal(const void *a, const void *b, size_t count) { return count == 0 || CRYPTO_memcmp(a, b, count) == 0; }

void cevp_wipe(void *bytes, size_t count) {
    if (count > 0) OPENSSL_cleanse(bytes, count);
}
