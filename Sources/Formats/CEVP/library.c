#include "library.h"

#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <pthread.h>

#include "cevp.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static OSSL_LIB_CTX *library;
static EVP_MD *mds[5];
static EVP_CIPHER *aes_256_gcm;
static EVP_MAC *hmac;
static EVP_KDF *hkdf;

static void load(void) {
    library = OSSL_LIB_CTX_new();
    if (library == NULL) return;
    mds[CEVP_MD5] = EVP_MD_fetch(library, "MD5", NULL);
    mds[CEVP_SHA1] = EVP_MD_fetch(library, "SHA1", NULL);
    mds[CEVP_SHA256] = EVP_MD_fetch(library, "SHA256", NULL);
    mds[CEVP_SHA512] = EVP_MD_fetch(library, "SHA512", NULL);
    mds[CEVP_SHA3_256] = EVP_MD_fetch(library, "SHA3-256", NULL);
    aes_256_gcm = EVP_CIPHER_fetch(library, "AES-256-GCM", NULL);
    hmac = EVP_MAC_fetch(library, "HMAC", NULL);
    hkdf = EVP_KDF_fetch(library, "HKDF", NULL);
}

OSSL_LIB_CTX *cevp_library(void) {
    pthread_once(&once, load);
    return library;
}

EVP_MD *cevp_md(int algorithm) {
    pthread_once(&once, load);
    return algorithm >= 0 && algorithm < 5 ? mds[algorithm] : NULL;
}

EVP_CIPHER *cevp_aes_256_gcm(void) {
    pthread_once(&once, load);
    return aes_256_gcm;
}

EVP_MAC *cevp_hmac(void) {
    pthread_once(&once, load);
    return hmac;
}

EVP_KDF *cevp_hkdf(void) {
    pthread_once(&once, load);
    return hkdf;
}
