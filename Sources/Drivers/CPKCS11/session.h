#ifndef CPKCS11_SESSION_H
#define CPKCS11_SESSION_H

#include "cpkcs11.h"
#include "cryptoki.h"

struct cpkcs11_session {
    const ck_function_list *list;
    ck_ulong slot, handle, key;
};

/// Calls a function of the module by its place in the list, with the types of its parameters.
#define CALL(session, function, types, ...) \
    (((ck_ulong(*) types)(void (*)(void))(session)->list->functions[function])(__VA_ARGS__))

#endif
