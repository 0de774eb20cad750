/* A PKCS#11 module for tests: it hands every call on to a real module and makes
 * faults on the way. What to do stands in the file next to it, its own path with
 * ".control" behind, which the test maps and writes to (shim.go). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long word;
/* All arguments of the hooked functions are words, six at most, and so go in
 * registers: one type fits every function. */
typedef word function(word, word, word, word, word, word);

/* CK_FUNCTION_LIST of PKCS#11 v2.40: a version and 68 functions. */
enum {
	INITIALIZE = 0, FINALIZE = 1, GET_FUNCTION_LIST = 3, GET_SLOT_LIST = 4, CLOSE_SESSION = 13,
	GET_ATTRIBUTE_VALUE = 24, FIND_OBJECTS = 27, ENCRYPT_INIT = 29, ENCRYPT = 30, DECRYPT = 34, FUNCTIONS = 68,
};
struct list {
	unsigned char version[2];
	function *f[FUNCTIONS];
};

enum { OFF, CODE, HANG, SLOW, LENGTH, CRASH, REMOVE };
enum { NOT_INITIALIZED = 0x190, ALREADY_INITIALIZED = 0x191, DEVICE_REMOVED = 0x32 };

struct fault {
	_Atomic word mode, function, argument;
	_Atomic long left; /* negative: no end */
	_Atomic word hits;
};
struct control {
	struct fault fault[2];
	_Atomic word removed, lost, iv;
	char module[4096]; /* path of the real one */
};

static struct control *control;
static struct list real, ours;

struct attribute { word type; void *value; word length; };
struct gcm { unsigned char *iv; word iv_length, iv_bits; unsigned char *aad; word aad_length, tag_bits; };
struct mechanism { word type; struct gcm *gcm; word length; };
static unsigned char last_iv[12];

static void pause_ms(long ms) {
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};
	nanosleep(&t, NULL);
}

/* Makes the result of a call a wrong length. */
static void shorten(word i, word c, word d, word e) {
	if (i == GET_SLOT_LIST)
		*(word *)c = 0;
	if (i == FIND_OBJECTS)
		*(word *)d = 0;
	if (i == ENCRYPT || i == DECRYPT)
		*(word *)e -= 1;
	for (word n = 0; i == GET_ATTRIBUTE_VALUE && n < d; n++)
		((struct attribute *)c)[n].length = 0;
}

/* A device that makes the IV: 1, it writes it where ours was; 2, behind the output. */
static void make_iv(struct mechanism *m) {
	int random = open("/dev/urandom", O_RDONLY);
	if (random < 0 || read(random, last_iv, sizeof last_iv) != sizeof last_iv)
		abort();
	close(random);
	memcpy(m->gcm->iv, last_iv, sizeof last_iv);
}

static word forward(word i, word a, word b, word c, word d, word e, word f) {
	struct gcm own;
	struct mechanism with;
	if (i == ENCRYPT_INIT && control->iv != 0) {
		if (control->iv == 2) { /* what the caller gave stays as it is */
			static unsigned char hidden[12];
			own = *((struct mechanism *)b)->gcm;
			with = *(struct mechanism *)b;
			own.iv = hidden;
			own.iv_length = 12;
			own.iv_bits = 96;
			with.gcm = &own;
			b = (word)&with;
		}
		make_iv((struct mechanism *)b);
	}
	word rv = real.f[i](a, b, c, d, e, f);
	if (i == ENCRYPT && control->iv == 2 && rv == 0) {
		memcpy((unsigned char *)d + *(word *)e, last_iv, sizeof last_iv);
		*(word *)e += sizeof last_iv;
	}
	return rv;
}

/* A device that is away, or a module that has forgotten that it was initialised. */
static word absent(word i, word a, word b, word c, word d, word e, word f) {
	word rv;
	if (i == INITIALIZE || i == FINALIZE || (i == GET_SLOT_LIST && control->lost == 0)) {
		rv = forward(i, a, b, c, d, e, f);
		if (i == INITIALIZE && (rv == 0 || rv == ALREADY_INITIALIZED))
			control->lost = 0;
		if (i == GET_SLOT_LIST)
			*(word *)c = 0;
		return rv;
	}
	return control->lost != 0 ? NOT_INITIALIZED : DEVICE_REMOVED;
}

static int due(struct fault *t, word i) {
	long left = t->left;
	if (t->mode == OFF || t->function != i)
		return 0;
	while (left > 0)
		if (atomic_compare_exchange_weak(&t->left, &left, left - 1))
			break;
	if (left != 0)
		t->hits++;
	return left != 0;
}

static word through(word i, word a, word b, word c, word d, word e, word f) {
	word mode = OFF, rv;
	for (int n = 0; n < 2; n++) {
		struct fault *t = &control->fault[n];
		if (!due(t, i))
			continue;
		mode = t->mode;
		if (mode == CODE)
			return t->argument;
		if (mode == SLOW)
			pause_ms(t->argument);
		while (mode == HANG && t->mode == HANG)
			pause_ms(2);
		if (mode == CRASH)
			real.f[CLOSE_SESSION](a, 0, 0, 0, 0, 0);
		if (mode == REMOVE)
			control->removed = 1;
	}
	if (control->removed != 0 || control->lost != 0)
		return absent(i, a, b, c, d, e, f);
	rv = forward(i, a, b, c, d, e, f);
	if (mode == LENGTH && rv == 0)
		shorten(i, c, d, e);
	return rv;
}

#define HOOKED(X) X(0) X(1) X(4) X(6) X(11) X(12) X(13) X(15) X(18) X(19) X(22) X(24) X(25) X(26) X(27) X(28) \
	X(29) X(30) X(33) X(34) X(58) X(64)
#define HOOK(i) static word hook_##i(word a, word b, word c, word d, word e, word f) { return through(i, a, b, c, d, e, f); }
HOOKED(HOOK)

static word own_list(word list, word b, word c, word d, word e, word f) {
	(void)b, (void)c, (void)d, (void)e, (void)f;
	*(struct list **)list = &ours;
	return 0;
}

static void fail(const char *what) {
	fprintf(stderr, "shim: %s\n", what);
	abort();
}

__attribute__((constructor)) static void load(void) {
	static char name[4200];
	Dl_info self;
	word (*get)(struct list **);
	struct list *list;
	if (dladdr((void *)load, &self) == 0)
		fail("it does not know its own path");
	snprintf(name, sizeof name, "%s.control", self.dli_fname);
	int file = open(name, O_RDWR);
	control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (file < 0 || control == MAP_FAILED)
		fail("its control file cannot be mapped");
	close(file);
	void *module = dlopen(control->module, RTLD_NOW);
	if (module == NULL)
		fail(dlerror());
	*(void **)&get = dlsym(module, "C_GetFunctionList");
	if (get == NULL || get(&list) != 0)
		fail("the real module gives no function list");
	real = ours = *list;
#define SET(i) ours.f[i] = hook_##i;
	HOOKED(SET)
	ours.f[GET_FUNCTION_LIST] = own_list;
}

word C_GetFunctionList(struct list **list) {
	*list = &ours;
	return 0;
}
