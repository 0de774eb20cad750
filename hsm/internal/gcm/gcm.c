#include "gcm.h"

#include <dlfcn.h>
#include <stdio.h>

#define CKM_AES_GCM 0x1087UL
#define TAG_BITS 128

/* PKCS#11 v2.40, section 2.12.3. */
struct gcm_params {
	unsigned char *iv;
	unsigned long iv_len, iv_bits;
	unsigned char *aad;
	unsigned long aad_len, tag_bits;
};

struct mechanism {
	unsigned long type;
	void *parameter;
	unsigned long parameter_len;
};

typedef unsigned long init_fn(unsigned long session, struct mechanism *m, unsigned long key);
typedef unsigned long run_fn(unsigned long session, unsigned char *in, unsigned long in_len,
	unsigned char *out, unsigned long *out_len);

/* CK_FUNCTION_LIST: the functions in the order of the standard. */
struct hyok_functions {
	unsigned char version[2];
	void *before[29]; /* C_Initialize to C_FindObjectsFinal */
	init_fn *encrypt_init;
	run_fn *encrypt;
	void *encrypt_parts[2];
	init_fn *decrypt_init;
	run_fn *decrypt;
};

struct hyok_functions *hyok_open(const char *path, char *failed, unsigned long size) {
	unsigned long (*get)(struct hyok_functions **);
	struct hyok_functions *list = NULL;
	void *handle = dlopen(path, RTLD_LAZY);

	if (handle == NULL) {
		snprintf(failed, size, "%s", dlerror());
		return NULL;
	}
	*(void **)&get = dlsym(handle, "C_GetFunctionList");
	if (get == NULL) {
		snprintf(failed, size, "%s is not a PKCS#11 module: it has no C_GetFunctionList", path);
		return NULL;
	}
	if (get(&list) != 0 || list == NULL) {
		snprintf(failed, size, "%s gives no function list", path);
		return NULL;
	}
	return list;
}

struct hyok_result hyok_gcm(struct hyok_functions *f, int direction,
	unsigned long session, unsigned long key,
	unsigned char *iv, unsigned long iv_len, unsigned char *aad, unsigned long aad_len,
	unsigned char *in, unsigned long in_len, unsigned char *out, unsigned long out_len) {
	unsigned char none = 0;
	struct gcm_params p = {iv, iv_len, iv_len * 8, aad, aad_len, TAG_BITS};
	struct mechanism m = {CKM_AES_GCM, &p, sizeof p};
	init_fn *init = direction == HYOK_ENCRYPT ? f->encrypt_init : f->decrypt_init;
	run_fn *run = direction == HYOK_ENCRYPT ? f->encrypt : f->decrypt;
	struct hyok_result r = {0, 0, 0};

	if (in == NULL) /* empty; a null pointer would be refused as a missing argument */
		in = &none;
	r.rv = init(session, &m, key);
	if (r.rv != 0)
		return r;
	r.begun = 1;
	r.n = out_len;
	r.rv = run(session, in, in_len, out, &r.n);
	if (r.rv != 0)
		r.n = 0;
	return r;
}

unsigned long hyok_loop(struct hyok_functions *f, unsigned long session, unsigned long key,
	unsigned char *iv, unsigned long iv_len, unsigned char *aad, unsigned long aad_len,
	unsigned char *in, unsigned long in_len, unsigned char *out, unsigned long out_len,
	unsigned long times) {
	while (times-- > 0) {
		struct hyok_result r = hyok_gcm(f, HYOK_ENCRYPT, session, key,
			iv, iv_len, aad, aad_len, in, in_len, out, out_len);
		if (r.rv != 0)
			return r.rv;
	}
	return 0;
}
