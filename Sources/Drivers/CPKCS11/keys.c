#include "session.h"

#include <string.h>

static ck_ulong secret_key = CKO_SECRET_KEY, aes = CKK_AES, generic = CKK_GENERIC_SECRET;
static ck_bool yes = 1, no = 0;

/// Adds the name of a key to a template, and returns how many attributes it has now.
static ck_ulong name(ck_attribute *template, ck_ulong count, const cpkcs11_key *key) {
    if (key->label != NULL) {
        template[count++] = (ck_attribute){CKA_LABEL, (void *)key->label, strlen(key->label)};
    }
    if (key->id != NULL) template[count++] = (ck_attribute){CKA_ID, (void *)key->id, key->id_count};
    return count;
}

/// Finds the one object that matches a template.
static ck_ulong find(cpkcs11_session *session, ck_attribute *template, ck_ulong count, ck_ulong *object) {
    ck_ulong found[2], number = 0;
    ck_ulong outcome =
        CALL(session, CK_FIND_OBJECTS_INIT, (ck_ulong, ck_attribute *, ck_ulong), session->handle, template, count);
    if (outcome != CKR_OK) return outcome;
    outcome = CALL(
        session, CK_FIND_OBJECTS, (ck_ulong, ck_ulong *, ck_ulong, ck_ulong *), session->handle, found, 2, &number);
    CALL(session, CK_FIND_OBJECTS_FINAL, (ck_ulong), session->handle);
    if (outcome != CKR_OK) return outcome;
    if (number != 1) return number == 0 ? CPKCS11_NO_KEY : CPKCS11_SEVERAL_KEYS;
    *object = found[0];
    return CKR_OK;
}

static ck_ulong value(cpkcs11_session *session, ck_ulong object, ck_attribute *attribute) {
    return CALL(
        session, CK_GET_ATTRIBUTE_VALUE, (ck_ulong, ck_ulong, ck_attribute *, ck_ulong), session->handle, object,
        attribute, 1);
}

unsigned long cpkcs11_choose(cpkcs11_session *session, const cpkcs11_key *key) {
    ck_attribute template[4] = {
        {CKA_CLASS, &secret_key, sizeof secret_key},
        {CKA_KEY_TYPE, &aes, sizeof aes},
    };
    ck_ulong object = 0, length = 0;
    ck_ulong outcome = find(session, template, name(template, 2, key), &object);
    if (outcome != CKR_OK) return outcome;
    ck_attribute size = {CKA_VALUE_LEN, &length, sizeof length};
    outcome = value(session, object, &size);
    if (outcome != CKR_OK) return outcome;
    if (length != 32) return CPKCS11_NOT_256_BITS;
    session->key = object;
    return CKR_OK;
}

unsigned long cpkcs11_choose_signer(cpkcs11_session *session, const cpkcs11_key *key, int *is_rsa) {
    ck_ulong private_key = CKO_PRIVATE_KEY, type = 0, object = 0;
    ck_attribute template[4] = {
        {CKA_CLASS, &private_key, sizeof private_key},
        {CKA_SIGN, &yes, sizeof yes},
    };
    ck_ulong outcome = find(session, template, name(template, 2, key), &object);
    if (outcome != CKR_OK) return outcome;
    ck_attribute kind = {CKA_KEY_TYPE, &type, sizeof type};
    outcome = value(session, object, &kind);
    if (outcome != CKR_OK) return outcome;
    if (type != CKK_RSA && type != CKK_EC) return CPKCS11_NO_KEY;
    *is_rsa = type == CKK_RSA;
    session->key = object;
    return CKR_OK;
}

unsigned long cpkcs11_sign(
    cpkcs11_session *session, int is_rsa, const uint8_t *in, size_t in_count, uint8_t *out, size_t *out_count) {
    ck_mechanism mechanism = {is_rsa ? CKM_SHA256_RSA_PKCS : CKM_ECDSA, NULL, 0};
    ck_ulong outcome = CALL(
        session, CK_SIGN_INIT, (ck_ulong, ck_mechanism *, ck_ulong), session->handle, &mechanism, session->key);
    if (outcome != CKR_OK) return outcome;
    ck_ulong count = *out_count;
    outcome = CALL(
        session, CK_SIGN, (ck_ulong, const ck_byte *, ck_ulong, ck_byte *, ck_ulong *), session->handle, in, in_count,
        out, &count);
    *out_count = outcome == CKR_OK ? count : 0;
    return outcome;
}

unsigned long cpkcs11_certificate(
    cpkcs11_session *session, const cpkcs11_key *key, uint8_t *out, size_t *out_count) {
    ck_ulong certificate = CKO_CERTIFICATE, object = 0;
    ck_attribute template[3] = {{CKA_CLASS, &certificate, sizeof certificate}};
    ck_ulong outcome = find(session, template, name(template, 1, key), &object);
    if (outcome != CKR_OK) return outcome;
    ck_attribute der = {CKA_VALUE, out, *out_count};
    outcome = value(session, object, &der);
    *out_count = outcome == CKR_OK ? der.count : 0;
    return outcome;
}

unsigned long cpkcs11_generate(cpkcs11_session *session, const cpkcs11_key *key) {
    ck_ulong length = 32;
    ck_attribute template[13] = {
        {CKA_CLASS, &secret_key, sizeof secret_key}, {CKA_KEY_TYPE, &aes, sizeof aes},
        {CKA_VALUE_LEN, &length, sizeof length},     {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &yes, sizeof yes},             {CKA_SENSITIVE, &yes, sizeof yes},
        {CKA_EXTRACTABLE, &no, sizeof no},           {CKA_ENCRYPT, &yes, sizeof yes},
        {CKA_DECRYPT, &yes, sizeof yes},             {CKA_WRAP, &yes, sizeof yes},
        {CKA_UNWRAP, &yes, sizeof yes},
    };
    ck_ulong count = name(template, 11, key);
    ck_mechanism mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    return CALL(
        session, CK_GENERATE_KEY, (ck_ulong, ck_mechanism *, ck_attribute *, ck_ulong, ck_ulong *), session->handle,
        &mechanism, template, count, &session->key);
}

static int has(cpkcs11_session *session, ck_ulong mechanism, ck_ulong flags) {
    ck_mechanism_info info = {0, 0, 0};
    ck_ulong outcome = CALL(
        session, CK_GET_MECHANISM_INFO, (ck_ulong, ck_ulong, ck_mechanism_info *), session->slot, mechanism, &info);
    return outcome == CKR_OK && (info.flags & flags) == flags;
}

int cpkcs11_has_gcm(cpkcs11_session *session) { return has(session, CKM_AES_GCM, CKF_ENCRYPT | CKF_DECRYPT); }
int cpkcs11_has_key_wrap_pad(cpkcs11_session *session) {
    return has(session, CKM_AES_KEY_WRAP_PAD, CKF_WRAP | CKF_UNWRAP);
}

unsigned long cpkcs11_gcm(
    cpkcs11_session *session, int seals, const uint8_t nonce[12], const uint8_t *authenticated,
    size_t authenticated_count, const uint8_t *in, size_t in_count, uint8_t *out, size_t *out_count) {
    ck_gcm_params parameters = {(ck_byte *)nonce, 12, 96, (ck_byte *)authenticated, authenticated_count, 128};
    ck_mechanism mechanism = {CKM_AES_GCM, &parameters, sizeof parameters};
    ck_ulong outcome = CALL(
        session, seals ? CK_ENCRYPT_INIT : CK_DECRYPT_INIT, (ck_ulong, ck_mechanism *, ck_ulong), session->handle,
        &mechanism, session->key);
    if (outcome != CKR_OK) return outcome;
    ck_ulong count = *out_count;
    outcome = CALL(
        session, seals ? CK_ENCRYPT : CK_DECRYPT, (ck_ulong, const ck_byte *, ck_ulong, ck_byte *, ck_ulong *),
        session->handle, in, in_count, out, &count);
    *out_count = outcome == CKR_OK ? count : 0;
    return outcome;
}

static ck_ulong wrap(
    cpkcs11_session *session, ck_mechanism *mechanism, const uint8_t *in, size_t in_count, uint8_t *out,
    ck_ulong *out_count) {
    ck_attribute template[] = {
        {CKA_CLASS, &secret_key, sizeof secret_key}, {CKA_KEY_TYPE, &generic, sizeof generic},
        {CKA_TOKEN, &no, sizeof no},                 {CKA_SENSITIVE, &no, sizeof no},
        {CKA_EXTRACTABLE, &yes, sizeof yes},         {CKA_VALUE, (void *)in, in_count},
    };
    ck_ulong object = 0;
    ck_ulong outcome = CALL(
        session, CK_CREATE_OBJECT, (ck_ulong, ck_attribute *, ck_ulong, ck_ulong *), session->handle, template, 6,
        &object);
    if (outcome != CKR_OK) return outcome;
    outcome = CALL(
        session, CK_WRAP_KEY, (ck_ulong, ck_mechanism *, ck_ulong, ck_ulong, ck_byte *, ck_ulong *), session->handle,
        mechanism, session->key, object, out, out_count);
    CALL(session, CK_DESTROY_OBJECT, (ck_ulong, ck_ulong), session->handle, object);
    return outcome;
}

static ck_ulong unwrap(
    cpkcs11_session *session, ck_mechanism *mechanism, const uint8_t *in, size_t in_count, uint8_t *out,
    ck_ulong *out_count) {
    ck_attribute template[] = {
        {CKA_CLASS, &secret_key, sizeof secret_key}, {CKA_KEY_TYPE, &generic, sizeof generic},
        {CKA_TOKEN, &no, sizeof no},                 {CKA_SENSITIVE, &no, sizeof no},
        {CKA_EXTRACTABLE, &yes, sizeof yes},
    };
    ck_ulong object = 0;
    ck_ulong outcome = CALL(
        session, CK_UNWRAP_KEY,
        (ck_ulong, ck_mechanism *, ck_ulong, const ck_byte *, ck_ulong, ck_attribute *, ck_ulong, ck_ulong *),
        session->handle, mechanism, session->key, in, in_count, template, 5, &object);
    if (outcome != CKR_OK) return outcome;
    ck_attribute value = {CKA_VALUE, out, *out_count};
    outcome = CALL(
        session, CK_GET_ATTRIBUTE_VALUE, (ck_ulong, ck_ulong, ck_attribute *, ck_ulong), session->handle, object, &value,
        1);
    *out_count = value.count;
    CALL(session, CK_DESTROY_OBJECT, (ck_ulong, ck_ulong), session->handle, object);
    return outcome;
}

unsigned long cpkcs11_key_wrap_pad(
    cpkcs11_session *session, int seals, const uint8_t *in, size_t in_count, uint8_t *out, size_t *out_count) {
    ck_mechanism mechanism = {CKM_AES_KEY_WRAP_PAD, NULL, 0};
    ck_ulong count = *out_count;
    ck_ulong outcome = (seals ? wrap : unwrap)(session, &mechanism, in, in_count, out, &count);
    *out_count = outcome == CKR_OK ? count : 0;
    return outcome;
}
