// The types, constants and calls of PKCS #11 that are used here, written from the OASIS specifications.

#ifndef CRYPTOKI_H
#define CRYPTOKI_H

typedef unsigned char ck_byte;
typedef unsigned char ck_bool;
typedef unsigned long ck_ulong;

typedef struct {
    ck_byte major, minor;
} ck_version;

/// CK_FUNCTION_LIST: a version and the functions in the order of the specification, section 3.6 (2.40).
enum { CK_FUNCTION_COUNT = 68 };
typedef struct {
    ck_version version;
    void (*functions[CK_FUNCTION_COUNT])(void);
} ck_function_list;

enum ck_function {
    CK_INITIALIZE = 0, CK_GET_SLOT_LIST = 4, CK_GET_TOKEN_INFO = 6, CK_GET_MECHANISM_INFO = 8, CK_OPEN_SESSION = 12,
    CK_CLOSE_SESSION = 13, CK_LOGIN = 18, CK_CREATE_OBJECT = 20, CK_DESTROY_OBJECT = 22, CK_GET_ATTRIBUTE_VALUE = 24,
    CK_FIND_OBJECTS_INIT = 26, CK_FIND_OBJECTS = 27, CK_FIND_OBJECTS_FINAL = 28, CK_ENCRYPT_INIT = 29, CK_ENCRYPT = 30,
    CK_DECRYPT_INIT = 33, CK_DECRYPT = 34, CK_SIGN_INIT = 42, CK_SIGN = 43,
    CK_GENERATE_KEY = 58, CK_WRAP_KEY = 60, CK_UNWRAP_KEY = 61,
};

typedef struct {
    void *create_mutex, *destroy_mutex, *lock_mutex, *unlock_mutex;
    ck_ulong flags;
    void *reserved;
} ck_initialize_args;

typedef struct {
    ck_byte label[32], manufacturer[32], model[16], serial[16];
    ck_ulong flags, session_max, session_count, writing_session_max, writing_session_count, pin_max, pin_min;
    ck_ulong public_memory, free_public_memory, private_memory, free_private_memory;
    ck_version hardware, firmware;
    ck_byte utc_time[16];
} ck_token_info;

typedef struct {
    ck_ulong type;
    void *value;
    ck_ulong count;
} ck_attribute;

typedef struct {
    ck_ulong type;
    void *parameter;
    ck_ulong count;
} ck_mechanism;

typedef struct {
    ck_ulong key_bits_min, key_bits_max, flags;
} ck_mechanism_info;

/// CK_GCM_PARAMS with the field that 2.40's errata and 3.0 have: the nonce's length in bits.
typedef struct {
    ck_byte *nonce;
    ck_ulong nonce_count, nonce_bits;
    ck_byte *authenticated;
    ck_ulong authenticated_count, tag_bits;
} ck_gcm_params;

enum {
    CKR_OK = 0, CKR_USER_ALREADY_LOGGED_IN = 0x100, CKR_CRYPTOKI_ALREADY_INITIALIZED = 0x191,
    CKF_OS_LOCKING_OK = 0x2, CKF_TOKEN_INITIALIZED = 0x400,
    CKF_RW_SESSION = 0x2, CKF_SERIAL_SESSION = 0x4,
    CKF_ENCRYPT = 0x100, CKF_DECRYPT = 0x200, CKF_WRAP = 0x20000, CKF_UNWRAP = 0x40000,
    CKU_USER = 1,
    CKO_CERTIFICATE = 1, CKO_PRIVATE_KEY = 3, CKK_RSA = 0, CKK_EC = 3, CKA_SIGN = 0x108,
    CKM_SHA256_RSA_PKCS = 0x40, CKM_ECDSA = 0x1041,
    CKO_SECRET_KEY = 4, CKK_GENERIC_SECRET = 0x10, CKK_AES = 0x1F,
    CKA_CLASS = 0, CKA_TOKEN = 1, CKA_PRIVATE = 2, CKA_LABEL = 3, CKA_VALUE = 0x11, CKA_KEY_TYPE = 0x100, CKA_ID = 0x102,
    CKA_SENSITIVE = 0x103, CKA_ENCRYPT = 0x104, CKA_DECRYPT = 0x105, CKA_WRAP = 0x106, CKA_UNWRAP = 0x107,
    CKA_VALUE_LEN = 0x161, CKA_EXTRACTABLE = 0x162,
    CKM_AES_KEY_GEN = 0x1080, CKM_AES_GCM = 0x1087, CKM_AES_KEY_WRAP_PAD = 0x210A,
};

#endif
