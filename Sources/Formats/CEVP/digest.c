#include "cevp.h"
#include "library.h"

#include <stdlib.h>

struct cevp_digest {
    EVP_MD_CTX *context;
};

cevp_digest *cevp_digest_new(int algorithm) {
    EVP_MD *md = cevp_md(algorithm);
    cevp_digest *digest = md == NULL ? NULL : malloc(sizeof *digest);
    if (digest == NULL) return NULL;
    digest->context = EVP_MD_CTX_new();
    if (digest->context == NULL || !EVP_DigestInit_ex2(digest->context, md, NULL)) {
        cevp_digest_free(digest);
        return NULL;
    }
    return digest;
}

int cevp_digest_update(cevp_digest *digest, const void *bytes, size_t count) {
    return count == 0 || EVP_DigestUpdate(digest->context, bytes, count) == 1;
}

int cevp_digest_finish(cevp_digest *digest, uint8_t *out) {
    return EVP_DigestFinal_ex(digest->context, out, NULL) == 1 && EVP_DigestInit_ex2(digest->context, NULL, NULL) == 1;
}

void cevp_digest_free(cevp_digest *digest) {
    if (digest == NULL) return;
    EVP_MD_CTX_free(digest->context);
    free(digest);
}
