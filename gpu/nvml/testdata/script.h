// What the functions of fake.c are made with: the script, and how a call begins and ends.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "nvml.h"

enum { GPUS = 16, PARTS = 8, LINES = 1024 };

struct nvmlDevice_st { int gpu, part; }; // part -1: the whole
struct nvmlEventSet_st { long long told; unsigned long long types[GPUS]; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { char key[80]; char *text; } lines[LINES];
static int nlines;
static struct stat seen;
static atomic_int calls, busy[GPUS];
static int inits, count, sticky[GPUS], asked[GPUS];
static struct nvmlDevice_st devices[GPUS][PARTS + 1];

static void read_script(void) {
	static int still = -1; // the script stays as it is: looking is not to be measured
	struct stat now;
	const char *path = getenv("FAKE_NVML");
	if (still < 0)
		still = getenv("FAKE_NVML_STILL") != NULL;
	if (still && nlines)
		return;
	if (!path || stat(path, &now) || (now.st_ino == seen.st_ino && now.st_mtim.tv_nsec == seen.st_mtim.tv_nsec && now.st_mtim.tv_sec == seen.st_mtim.tv_sec))
		return;
	FILE *f = fopen(path, "r");
	if (!f)
		return;
	seen = now;
	for (int i = 0; i < nlines; i++)
		free(lines[i].text);
	nlines = 0;
	char *line = NULL;
	size_t size = 0;
	while (nlines < LINES && getline(&line, &size, f) > 0) {
		int rest = 0;
		if (sscanf(line, "%79s %n", lines[nlines].key, &rest) == 1) {
			line[strcspn(line, "\n")] = 0;
			lines[nlines++].text = strdup(line + rest);
		}
	}
	free(line);
	fclose(f);
}

// text copies what the script says of a GPU, or of all; 0: nothing.
static int text(int gpu, const char *key, char *out, size_t size) {
	char own[96];
	const char *found = NULL;
	snprintf(own, sizeof own, "%d.%s", gpu, key);
	pthread_mutex_lock(&lock);
	read_script();
	for (int i = 0; i < nlines; i++)
		if (!strcmp(lines[i].key, own) || (!found && !strcmp(lines[i].key, key)))
			found = lines[i].text;
	if (found)
		snprintf(out, size, "%s", found);
	pthread_mutex_unlock(&lock);
	return found != NULL;
}

static unsigned long long num(int gpu, const char *key, unsigned long long otherwise) {
	char out[64];
	return text(gpu, key, out, sizeof out) ? strtoull(out, NULL, 0) : otherwise;
}

static double now(void) {
	struct timeval t;
	gettimeofday(&t, NULL);
	return t.tv_sec + t.tv_usec / 1e6;
}

static void note(const char *what) {
	const char *path = getenv("FAKE_NVML_LOG");
	FILE *f = path ? fopen(path, "a") : NULL;
	if (f) {
		fprintf(f, "%s\n", what);
		fclose(f);
	}
}

static void die(const char *why, int gpu) {
	fprintf(stderr, "fake nvml: %s (gpu %d)\n", why, gpu);
	abort();
}

static void hang(int gpu, const char *function) {
	char key[96];
	snprintf(key, sizeof key, "hang.%s", function);
	for (double from = now(); now() - from < num(gpu, key, 0);)
		usleep(5000);
}

static nvmlReturn_t begin(int gpu, const char *function) {
	char name[80];
	atomic_fetch_add(&calls, 1);
	if (atomic_fetch_add(&busy[gpu], 1) > 0)
		die("two calls at a time", gpu);
	if (!inits)
		return NVML_ERROR_UNINITIALIZED;
	snprintf(name, sizeof name, "%s", function);
	char *v = strstr(name, "_v");
	if (v && strcmp(name, "nvmlDeviceGetMemoryInfo_v2") && strcmp(name, "nvmlDeviceGetFanSpeed_v2"))
		*v = 0;
	hang(gpu, name);
	unsigned long long all = num(gpu, "all", 0);
	if (all)
		sticky[gpu] = all;
	return sticky[gpu] ? (nvmlReturn_t)sticky[gpu] : (nvmlReturn_t)num(gpu, name, NVML_SUCCESS);
}

static nvmlReturn_t end(int gpu, nvmlReturn_t r) {
	atomic_fetch_sub(&busy[gpu], 1);
	atomic_fetch_sub(&calls, 1);
	return r;
}

// CALL to DONE is a function of a device; what is between runs if the script lets it.
#define CALL(function, ...) \
	nvmlReturn_t function(nvmlDevice_t d, ##__VA_ARGS__) { \
		int g = d.handle->gpu; \
		nvmlReturn_t r = begin(g, __func__); \
		if (r == NVML_SUCCESS) {
#define DONE } return end(g, r); }
#define VALUE(function, type, key, otherwise) CALL(function, type *v) *v = (type)num(g, key, otherwise); DONE
#define CHOICE(function, type, choice, one, two) CALL(function, type c, unsigned *v) *v = num(g, c == choice ? one : two, 0); DONE
#ifdef OLD
#define NEWEST(function, version) function
#else
#define NEWEST(function, version) function##_v##version
#endif

