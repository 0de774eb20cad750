/* The few declarations of PKCS#11 v2.40 that AES-GCM needs. */
#ifndef HYOK_GCM_H
#define HYOK_GCM_H

enum { HYOK_ENCRYPT, HYOK_DECRYPT };

struct hyok_functions;

struct hyok_result {
	unsigned long rv; /* of the last call made */
	unsigned long n;  /* bytes written */
	int begun;        /* the Init call succeeded */
};

/* Gives NULL, and the reason in failed, when path is no PKCS#11 module. */
struct hyok_functions *hyok_open(const char *path, char *failed, unsigned long size);

struct hyok_result hyok_gcm(struct hyok_functions *f, int direction,
	unsigned long session, unsigned long key,
	unsigned char *iv, unsigned long iv_len, unsigned char *aad, unsigned long aad_len,
	unsigned char *in, unsigned long in_len, unsigned char *out, unsigned long out_len);

unsigned long hyok_loop(struct hyok_functions *f, unsigned long session, unsigned long key,
	unsigned char *iv, unsigned long iv_len, unsigned char *aad, unsigned long aad_len,
	unsigned char *in, unsigned long in_len, unsigned char *out, unsigned long out_len,
	unsigned long times);

#endif
