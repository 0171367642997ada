// What the C files of this target share and Swift does not see.

#ifndef CEVP_LIBRARY_H
#define CEVP_LIBRARY_H

#include <openssl/evp.h>

/// The library context of our own, or NULL if it could not be made.
OSSL_LIB_CTX *cevp_library(void);
/// Algorithms are fetched once: an implicit fetch by each operation costs more than a small digest.
EVP_MD *cevp_md(int algorithm);
EVP_CIPHER *cevp_aes_256_gcm(void);
EVP_MAC *cevp_hmac(void);
EVP_KDF *cevp_hkdf(void);

#endif
