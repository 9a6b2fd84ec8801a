// OpenSSL 3.0, and what of it Swift cannot import: macros, stacks, and the control function of our BIO. That one is
// called for every record, so it is a C switch and not a Swift closure. No policy here.
#pragma once
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/dh.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// MARK: the BIO (BIO_meth_new(3), BIO_ctrl(3))

static inline long endpoints_bio_control(BIO *bio, int command, long number, void *pointer) {
  (void)number;
  (void)pointer;
  switch (command) {
  case BIO_CTRL_FLUSH: return 1;  // 0 would fail every flight of a handshake
  case BIO_CTRL_EOF: return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
  default: return 0;  // kernel TLS (73, 76), asked with every record, included
  }
}
static inline BIO_METHOD *endpoints_bio_method(int (*read)(BIO *, char *, size_t, size_t *),
                                               int (*write)(BIO *, const char *, size_t, size_t *)) {
  BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "transport");
  if (!method) return NULL;
  if (!BIO_meth_set_read_ex(method, read) || !BIO_meth_set_write_ex(method, write) ||
      !BIO_meth_set_ctrl(method, endpoints_bio_control)) {
    BIO_meth_free(method);
    return NULL;
  }
  return method;
}
static inline BIO *endpoints_bio_new(const BIO_METHOD *method, void *data) {
  BIO *bio = BIO_new(method);
  if (!bio) return NULL;
  BIO_set_data(bio, data);
  BIO_set_init(bio, 1);
  return bio;
}
static inline void endpoints_bio_done(BIO *bio) { BIO_clear_retry_flags(bio); }
static inline void endpoints_bio_retry_read(BIO *bio) {
  BIO_clear_retry_flags(bio);
  BIO_set_retry_read(bio);
}
static inline void endpoints_bio_retry_write(BIO *bio) {
  BIO_clear_retry_flags(bio);
  BIO_set_retry_write(bio);
}
static inline void endpoints_bio_ended(BIO *bio) {
  BIO_clear_retry_flags(bio);
  BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
}
// Gives the SSL one BIO for both directions; the SSL owns it from then on.
static inline void endpoints_ssl_set_bio(SSL *ssl, BIO *bio) {
  BIO_up_ref(bio);
  SSL_set0_rbio(ssl, bio);
  SSL_set0_wbio(ssl, bio);
}
// What an OpenSSL call will find beside a BIO's failure.
static inline void endpoints_set_errno(int code) { errno = code; }

static inline DIR *endpoints_open_directory(const char *path, int *code) {
  DIR *directory = opendir(path);
  *code = directory ? 0 : errno;
  return directory;
}

// MARK: the error queue, one a thread

static inline void endpoints_clear_errors(void) {
  if (ERR_peek_error()) ERR_clear_error();
}
static inline int endpoints_error_reason(unsigned long error) { return ERR_GET_REASON(error); }
static inline int endpoints_error_library(unsigned long error) { return ERR_GET_LIB(error); }
static inline int endpoints_error_is_system(unsigned long error) { return ERR_SYSTEM_ERROR(error) != 0; }

// MARK: contexts

static inline int endpoints_ctx_set_versions(SSL_CTX *ctx, int minimum, int maximum) {
  return SSL_CTX_set_min_proto_version(ctx, minimum) && SSL_CTX_set_max_proto_version(ctx, maximum);
}
static inline void endpoints_ctx_set_modes(SSL_CTX *ctx, int completesChain) {
  SSL_CTX_set_mode(ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS |
                          (completesChain ? 0 : SSL_MODE_NO_AUTO_CHAIN));
  SSL_CTX_set_read_ahead(ctx, 1);
}
static inline void endpoints_ctx_set_session_cache_mode(SSL_CTX *ctx, long mode) {
  SSL_CTX_set_session_cache_mode(ctx, mode);
}
// Whether every cipher suite encrypts, and proves at least one side by a certificate or key.
static inline int endpoints_ctx_ciphers_protect(SSL_CTX *ctx) {
  STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(ctx);
  for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
    const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ciphers, i);
    if (SSL_CIPHER_get_auth_nid(cipher) == NID_auth_null || SSL_CIPHER_get_cipher_nid(cipher) == NID_undef) return 0;
  }
  return 1;
}
static inline int endpoints_ctx_set_groups(SSL_CTX *ctx, const char *list) {
  return SSL_CTX_set1_groups_list(ctx, list) == 1;
}
static inline int endpoints_ctx_set_signature_algorithms(SSL_CTX *ctx, const char *list) {
  return SSL_CTX_set1_sigalgs_list(ctx, list) == 1;
}
static inline void endpoints_ctx_set_dh_auto(SSL_CTX *ctx) { SSL_CTX_set_dh_auto(ctx, 1); }
static inline void endpoints_ctx_set_max_cert_list(SSL_CTX *ctx, long count) { SSL_CTX_set_max_cert_list(ctx, count); }
static inline void endpoints_ctx_set_server_name_callback(SSL_CTX *ctx, int (*callback)(SSL *, int *, void *)) {
  SSL_CTX_set_tlsext_servername_callback(ctx, callback);
}
static inline void endpoints_ctx_set_status_callback(SSL_CTX *ctx, int (*callback)(SSL *, void *)) {
  SSL_CTX_set_tlsext_status_cb(ctx, callback);
}
static const int ENDPOINTS_TLS1_2 = TLS1_2_VERSION, ENDPOINTS_TLS1_3 = TLS1_3_VERSION;
static const uint64_t ENDPOINTS_SSL_OPTIONS = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION;
static const uint64_t ENDPOINTS_SSL_SERVER_OPTIONS = SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;
static const uint64_t ENDPOINTS_SSL_IGNORE_EOF = SSL_OP_IGNORE_UNEXPECTED_EOF;
static const uint64_t ENDPOINTS_SSL_NO_TICKET = SSL_OP_NO_TICKET;
static const unsigned ENDPOINTS_HOST_FLAGS = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;

// MARK: connections

static inline void endpoints_ssl_set_data(SSL *ssl, void *data) { SSL_set_app_data(ssl, data); }
static inline void *endpoints_ssl_data(const SSL *ssl) { return SSL_get_app_data(ssl); }
static inline void endpoints_ssl_set_release(SSL *ssl, int on) {
  if (on) SSL_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
  else SSL_clear_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
}
static inline int endpoints_ssl_set_server_name(SSL *ssl, const char *name) {
  return SSL_set_tlsext_host_name(ssl, name) == 1;
}
static inline int endpoints_ssl_group(SSL *ssl) { return (int)SSL_get_negotiated_group(ssl); }
static inline void endpoints_ssl_ask_for_status(SSL *ssl) { SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp); }
static inline long endpoints_ssl_status(SSL *ssl, const unsigned char **response) {
  return SSL_get_tlsext_status_ocsp_resp(ssl, response);
}
// Copies the response, which OpenSSL frees.
static inline int endpoints_ssl_set_status(SSL *ssl, const void *response, size_t count) {
  void *copy = OPENSSL_memdup(response, count);
  if (!copy) return 0;
  SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)count);
  return 1;
}
static inline SSL *endpoints_store_ctx_ssl(X509_STORE_CTX *ctx) {
  return (SSL *)X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
}

// MARK: stacks

static inline int endpoints_x509_count(const STACK_OF(X509) *stack) { return stack ? sk_X509_num(stack) : 0; }
static inline X509 *endpoints_x509_at(const STACK_OF(X509) *stack, int i) { return sk_X509_value(stack, i); }
static inline STACK_OF(X509) *endpoints_x509_stack(void) { return sk_X509_new_null(); }
static inline int endpoints_x509_push(STACK_OF(X509) *stack, X509 *x) {
  if (!X509_up_ref(x)) return 0;
  if (sk_X509_push(stack, x) > 0) return 1;
  X509_free(x);
  return 0;
}
static inline void endpoints_x509_stack_free(STACK_OF(X509) *stack) { sk_X509_pop_free(stack, X509_free); }
static inline int endpoints_ctx_set_ca_names(SSL_CTX *ctx, X509_STORE *store, int most) {
  STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
  STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
  if (!names) return 0;
  int count = sk_X509_OBJECT_num(objects);
  for (int i = 0; count <= most && i < count; i++) {
    X509 *x = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
    X509_NAME *name = x ? X509_NAME_dup(X509_get_subject_name(x)) : NULL;
    if (name && sk_X509_NAME_push(names, name) <= 0) X509_NAME_free(name);
  }
  SSL_CTX_set0_CA_list(ctx, names);
  return 1;
}
static inline int endpoints_store_count(X509_STORE *store) { return sk_X509_OBJECT_num(X509_STORE_get0_objects(store)); }

// MARK: certificates

static inline int endpoints_asn1_time(const ASN1_TIME *time, struct tm *out) { return ASN1_TIME_to_tm(time, out); }
static inline long endpoints_unix_time(void) { return (long)time(NULL); }
typedef void (*endpoints_name_visitor)(void *context, int kind, const unsigned char *bytes, int count);
// Calls back for each DNS name (2) and IP address (7) of the subjectAltName.
static inline void endpoints_x509_names(X509 *x, void *context, endpoints_name_visitor visit) {
  GENERAL_NAMES *names = (GENERAL_NAMES *)X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
    GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_DNS || name->type == GEN_IPADD)
      visit(context, name->type, ASN1_STRING_get0_data(name->d.ia5), ASN1_STRING_length(name->d.ia5));
  }
  GENERAL_NAMES_free(names);
}
// Whether it demands a stapled OCSP response (status_request in the TLS feature extension, RFC 7633).
static inline int endpoints_x509_demands_staple(X509 *x) {
  TLS_FEATURE *features = (TLS_FEATURE *)X509_get_ext_d2i(x, NID_tlsfeature, NULL, NULL);
  int demands = 0;
  for (int i = 0; features && i < sk_ASN1_INTEGER_num(features); i++)
    demands |= ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) == TLSEXT_TYPE_status_request;
  TLS_FEATURE_free(features);
  return demands;
}
// A digest (SHA-256) that equal public keys share, whatever the encoding of their points and parameters.
// Others may share it, too: whether a key fits, X509_check_private_key says.
static inline int endpoints_key_digest(EVP_PKEY *key, unsigned char *digest) {
  BIGNUM *number = NULL;
  unsigned char *bytes = NULL;
  int count = 0;
  if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &number) ||
      EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &number)) {
    count = BN_num_bytes(number);
    bytes = (unsigned char *)OPENSSL_malloc((size_t)count + 1);
    if (bytes) BN_bn2bin(number, bytes);
  } else {
    count = i2d_PUBKEY(key, &bytes);
  }
  int done = bytes && count > 0 && EVP_Digest(bytes, (size_t)count, digest, NULL, EVP_sha256(), NULL);
  BN_free(number);
  OPENSSL_free(bytes);
  return done;
}
static inline void endpoints_print_name(BIO *bio, const X509_NAME *name) {
  X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
}
static inline long endpoints_bio_bytes(BIO *bio, char **bytes) { return BIO_get_mem_data(bio, bytes); }
static inline EVP_PKEY *endpoints_pem_key(BIO *bio, int (*passphrase)(char *, int, int, void *), void *context) {
  return PEM_read_bio_PrivateKey(bio, NULL, passphrase, context);
}
static inline X509 *endpoints_pem_certificate(BIO *bio, int (*passphrase)(char *, int, int, void *)) {
  return PEM_read_bio_X509_AUX(bio, NULL, passphrase, NULL);
}

// MARK: stapled responses (RFC 6960, RFC 6066 section 8)

// 1 if `der` is an OCSP response and nothing else.
static inline int endpoints_ocsp_is_response(const unsigned char *der, long count) {
  const unsigned char *end = der;
  OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &end, count);
  OCSP_RESPONSE_free(response);
  return response != NULL && end == der + count;
}

// Looks up what a response says of a certificate: 1 with its times in seconds since 1970 (`until` is 0 if it
// names no end), or 0. The issuer is known by its name only, which is enough to tell our own certificates apart.
static inline int endpoints_ocsp_times(const unsigned char *der, long count, X509 *leaf, long *from, long *until) {
  OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &der, count);
  OCSP_BASICRESP *basic = response ? OCSP_response_get1_basic(response) : NULL;
  int found = 0;
  for (int i = 0; basic && !found && i < OCSP_resp_count(basic); i++) {
    OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
    ASN1_OCTET_STRING *issuer = NULL;
    ASN1_OBJECT *algorithm = NULL;
    ASN1_INTEGER *serial = NULL;
    OCSP_id_get0_info(&issuer, &algorithm, NULL, &serial, (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(single));
    const EVP_MD *digest = EVP_get_digestbyobj(algorithm);
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    if (!digest || ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) != 0 ||
        !X509_NAME_digest(X509_get_issuer_name(leaf), digest, hash, &length) ||
        (int)length != ASN1_STRING_length(issuer) || memcmp(hash, ASN1_STRING_get0_data(issuer), length) != 0)
      continue;
    ASN1_GENERALIZEDTIME *first = NULL, *last = NULL;
    struct tm parts;
    OCSP_single_get0_status(single, NULL, NULL, &first, &last);
    *from = first && ASN1_TIME_to_tm(first, &parts) ? (long)timegm(&parts) : 0;
    *until = last && ASN1_TIME_to_tm(last, &parts) ? (long)timegm(&parts) : 0;
    found = 1;
  }
  OCSP_BASICRESP_free(basic);
  OCSP_RESPONSE_free(response);
  return found;
}

enum { ENDPOINTS_OCSP_GOOD = 0, ENDPOINTS_OCSP_REVOKED, ENDPOINTS_OCSP_STALE, ENDPOINTS_OCSP_INVALID };
static inline int endpoints_ocsp_check(const unsigned char *der, long count, X509 *leaf, X509 *issuer,
                                       STACK_OF(X509) *chain, X509_STORE *store) {
  int result = ENDPOINTS_OCSP_INVALID;
  OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &der, count);
  OCSP_BASICRESP *basic = NULL;
  OCSP_CERTID *id = OCSP_cert_to_id(NULL, leaf, issuer);
  if (response && id && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL)
    basic = OCSP_response_get1_basic(response);
  int status = -1, reason;
  ASN1_GENERALIZEDTIME *revoked, *from, *until;
  if (basic && OCSP_basic_verify(basic, chain, store, 0) > 0) {
    if (!OCSP_resp_find_status(basic, id, &status, &reason, &revoked, &from, &until)) {
      OCSP_CERTID_free(id);
      id = OCSP_cert_to_id(EVP_sha256(), leaf, issuer);
      if (!id || !OCSP_resp_find_status(basic, id, &status, &reason, &revoked, &from, &until)) status = -1;
    }
    if (status == V_OCSP_CERTSTATUS_REVOKED) result = ENDPOINTS_OCSP_REVOKED;
    else if (status == V_OCSP_CERTSTATUS_GOOD)
      result = OCSP_check_validity(from, until, 300, -1) ? ENDPOINTS_OCSP_GOOD : ENDPOINTS_OCSP_STALE;
  }
  OCSP_CERTID_free(id);
  OCSP_BASICRESP_free(basic);
  OCSP_RESPONSE_free(response);
  return result;
}

// MARK: session tickets: AES-256-CBC and HMAC-SHA-256 (RFC 5077 section 4)

static inline int endpoints_ticket_seal(EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, const unsigned char *aes,
                                        const unsigned char *hmac, unsigned char *iv, int encrypting) {
  OSSL_PARAM parameters[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)hmac, 32),
                             OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
                             OSSL_PARAM_construct_end()};
  if (encrypting && RAND_bytes(iv, 16) != 1) return 0;
  return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, aes, iv, encrypting) == 1 &&
         EVP_MAC_CTX_set_params(mac, parameters) == 1;
}
