#include "session.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/// The module's functions; it is loaded and initialised once and never unloaded, since others may use it too.
static ck_ulong load(const char *path, const ck_function_list **list) {
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (module == NULL) return CPKCS11_NO_MODULE;
    // Through a union, because ISO C knows no cast from a pointer to data to one to a function.
    union {
        void *data;
        ck_ulong (*call)(const ck_function_list **);
    } entry;
    entry.data = dlsym(module, "C_GetFunctionList");
    if (entry.data == NULL) return CPKCS11_NO_MODULE;
    ck_ulong outcome = entry.call(list);
    if (outcome != CKR_OK) return outcome;
    if (*list == NULL || (*list)->version.major < 2) return CPKCS11_NO_MODULE;
    struct cpkcs11_session probe = {.list = *list};
    ck_initialize_args arguments = {.flags = CKF_OS_LOCKING_OK};
    outcome = CALL(&probe, CK_INITIALIZE, (void *), &arguments);
    return outcome == CKR_CRYPTOKI_ALREADY_INITIALIZED ? CKR_OK : outcome;
}

/// Whether a field, padded with blanks, holds a text.
static int matches(const ck_byte *field, size_t count, const char *text) {
    if (text == NULL) return 1;
    size_t length = strlen(text);
    if (length > count || memcmp(field, text, length) != 0) return 0;
    for (size_t i = length; i < count; i++) {
        if (field[i] != ' ' && field[i] != 0) return 0;
    }
    return 1;
}

static ck_ulong find_slot(struct cpkcs11_session *session, const cpkcs11_token *token) {
    enum { SLOTS_MAX = 256 };
    ck_ulong slots[SLOTS_MAX], count = SLOTS_MAX, found = 0;
    ck_ulong outcome = CALL(session, CK_GET_SLOT_LIST, (ck_bool, ck_ulong *, ck_ulong *), 1, slots, &count);
    if (outcome != CKR_OK) return outcome;
    for (ck_ulong i = 0; i < count && i < SLOTS_MAX; i++) {
        ck_token_info info;
        memset(&info, 0, sizeof info);
        if (CALL(session, CK_GET_TOKEN_INFO, (ck_ulong, ck_token_info *), slots[i], &info) != CKR_OK) continue;
        if (!(info.flags & CKF_TOKEN_INITIALIZED)) continue;
        if (!matches(info.label, sizeof info.label, token->label)
            || !matches(info.manufacturer, sizeof info.manufacturer, token->manufacturer)
            || !matches(info.model, sizeof info.model, token->model)
            || !matches(info.serial, sizeof info.serial, token->serial)) continue;
        session->slot = slots[i];
        found++;
    }
    return found == 0 ? CPKCS11_NO_TOKEN : found > 1 ? CPKCS11_SEVERAL_TOKENS : CKR_OK;
}

unsigned long cpkcs11_open(
    const char *module, const cpkcs11_token *token, const uint8_t *pin, size_t pin_count, int writes,
    cpkcs11_session **out) {
    struct cpkcs11_session *session = calloc(1, sizeof *session);
    if (session == NULL) return CPKCS11_NO_MODULE;
    ck_ulong outcome = load(module, &session->list);
    if (outcome == CKR_OK) outcome = find_slot(session, token);
    if (outcome == CKR_OK) {
        ck_ulong flags = CKF_SERIAL_SESSION | (writes ? CKF_RW_SESSION : 0);
        outcome = CALL(
            session, CK_OPEN_SESSION, (ck_ulong, ck_ulong, void *, void *, ck_ulong *), session->slot, flags, NULL, NULL,
            &session->handle);
    }
    if (outcome != CKR_OK) {
        free(session);
        return outcome;
    }
    if (pin != NULL) {
        outcome = CALL(
            session, CK_LOGIN, (ck_ulong, ck_ulong, const ck_byte *, ck_ulong), session->handle, CKU_USER, pin, pin_count);
        if (outcome != CKR_OK && outcome != CKR_USER_ALREADY_LOGGED_IN) {
            cpkcs11_close(session);
            return outcome;
        }
    }
    *out = session;
    return CKR_OK;
}

void cpkcs11_close(cpkcs11_session *session) {
    if (session == NULL) return;
    CALL(session, CK_CLOSE_SESSION, (ck_ulong), session->handle);
    free(session);
}
