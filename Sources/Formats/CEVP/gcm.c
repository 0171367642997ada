#include "cevp.h"
#include "library.h"

#include <openssl/crypto.h>
#include <stdlib.h>

// EVP counts in int; 2^30 keeps every sum far from its end.
#define COUNT_MAX ((size_t)1 << 30)
#define TAG 16

struct cevp_gcm {
    EVP_CIPHER_CTX *context;
};

cevp_gcm *cevp_gcm_new(const uint8_t key[32], int seals) {
    EVP_CIPHER *cipher = cevp_aes_256_gcm();
    cevp_gcm *gcm = cipher == NULL ? NULL : malloc(sizeof *gcm);
    if (gcm == NULL) return NULL;
    gcm->context = EVP_CIPHER_CTX_new();
    if (gcm->context == NULL || !EVP_CipherInit_ex2(gcm->context, cipher, key, NULL, seals, NULL)) {
        cevp_gcm_free(gcm);
        return NULL;
    }
    return gcm;
}

void cevp_gcm_free(cevp_gcm *gcm) {
    if (gcm == NULL) return;
    EVP_CIPHER_CTX_free(gcm->context);
    free(gcm);
}

int cevp_gcm_seal(cevp_gcm *gcm, const uint8_t nonce[12], const void *aad, size_t aad_count, const void *plain,
                  size_t count, void *sealed) {
    int written = 0;
    if (count > COUNT_MAX || aad_count > COUNT_MAX) return 0;
    // The key stays; only the nonce is set again.
    if (!EVP_EncryptInit_ex2(gcm->context, NULL, NULL, nonce, NULL)) return 0;
    if (aad_count > 0 && !EVP_EncryptUpdate(gcm->context, NULL, &written, aad, (int)aad_count)) return 0;
    if (count > 0 && !EVP_EncryptUpdate(gcm->context, sealed, &written, plain, (int)count)) return 0;
    if (!EVP_EncryptFinal_ex(gcm->context, (uint8_t *)sealed + count, &written)) return 0;
    return EVP_CIPHER_CTX_ctrl(gcm->context, EVP_CTRL_AEAD_GET_TAG, TAG, (uint8_t *)sealed + count) == 1;
}

int cevp_gcm_open(cevp_gcm *gcm, const uint8_t nonce[12], const void *aad, size_t aad_count, const void *sealed,
                  size_t count, void *plain) {
    int written = 0;
    uint8_t none[TAG];
    if (count > COUNT_MAX || aad_count > COUNT_MAX) return -1;
    if (!EVP_DecryptInit_ex2(gcm->context, NULL, NULL, nonce, NULL)) return -1;
    if (aad_count > 0 && !EVP_DecryptUpdate(gcm->context, NULL, &written, aad, (int)aad_count)) return -1;
    if (count > 0 && !EVP_DecryptUpdate(gcm->context, plain, &written, sealed, (int)count)) return -1;
    // The control call takes a pointer to non-const but only copies from it.
    if (EVP_CIPHER_CTX_ctrl(gcm->context, EVP_CTRL_AEAD_SET_TAG, TAG, (uint8_t *)sealed + count) != 1) return -1;
    if (EVP_DecryptFinal_ex(gcm->context, none, &written) == 1) return 1;
    // Deciphered but not authentic: nobody may see it.
    if (count > 0) OPENSSL_cleanse(plain, count);
    return 0;
}
