/* Plays libcuda.so.1 and libnvidia-ml.so.1 for tests: a clock that a test moves, events that finish
 * when it says, memory that follows its script, calls that fail on demand, and a log of all calls.
 *
 * Variables are read when the driver starts (FAKE_VERSION, FAKE_INIT, FAKE_DEVICES, ...); functions
 * named fake_* are called through ctypes while it runs. Built with OLD_DRIVER there is no
 * cuGetProcAddress_v2, with NO_PROC_ADDRESS none at all, with WITHOUT_... not that function. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CALLS = 64, LOG = 1 << 16, CURVE = 1 << 12, DEVICES = 8 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static int number(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

/* -- calls: counted, logged, made to fail --------------------------------------------------------- */

struct call { const char *name; long count; int code; long after, times; };
static struct call calls[CALLS];
static const char *logged[LOG];
static long log_size;
static int quiet; /* for timing: nothing is counted and nothing fails */

static struct call *call_of(const char *name) {
    int i = 0;
    while (calls[i].name && strcmp(calls[i].name, name)) ++i;
    if (!calls[i].name) calls[i].name = name;
    return &calls[i];
}

/* The mutex is held from here to END. */
#define BEGIN(name)                                                     \
    if (!quiet) {                                                       \
        pthread_mutex_lock(&mutex);                                     \
        struct call *call = call_of(name);                              \
        if (log_size < LOG) logged[log_size++] = name;                  \
        long done = call->count++;                                      \
        if (call->code && done >= call->after && call->times) {         \
            int code = call->code;                                      \
            if (call->times > 0) --call->times;                         \
            pthread_mutex_unlock(&mutex);                               \
            return code;                                                \
        }                                                               \
    }
#define END(code)                                                       \
    do {                                                                \
        int result = (code);                                            \
        if (!quiet) pthread_mutex_unlock(&mutex);                       \
        return result;                                                  \
    } while (0)

void fake_quiet(int on) { quiet = on; }

/* From its next `after` calls on, a function returns `code`, `times` times (-1: for ever). */
void fake_fail(const char *name, int code, long after, long times) {
    pthread_mutex_lock(&mutex);
    struct call *call = call_of(strdup(name));
    call->code = code, call->after = call->count + after, call->times = times;
    pthread_mutex_unlock(&mutex);
}

long fake_count(const char *name) {
    pthread_mutex_lock(&mutex);
    long count = 0;
    for (int i = 0; i < CALLS && calls[i].name; ++i)
        if (!strcmp(calls[i].name, name)) count = calls[i].count;
    pthread_mutex_unlock(&mutex);
    return count;
}

/* The names of the calls so far, a line each; then the log is empty. */
const char *fake_log(void) {
    static char text[LOG * 32];
    pthread_mutex_lock(&mutex);
    size_t size = 0;
    text[0] = 0;
    for (long i = 0; i < log_size; ++i)
        size += (size_t)snprintf(text + size, sizeof text - size, "%s\n", logged[i]);
    log_size = 0;
    pthread_mutex_unlock(&mutex);
    return text;
}

/* -- time, events and captures -------------------------------------------------------------------- */

struct context { int device, retained; };
struct event { struct context *context; long long at; long queries; int recorded; };

static struct context primary[DEVICES];
static long long now_ns = 1000000000;
static int real_clock;
static long not_ready;          /* how often an event is not ready before it is */
static void *slow_stream;       /* whose events never are, if any */
static long live_events;
static void *captured_stream;
static int capture_status;      /* 1: active, 2: broken by a forbidden call */
static _Thread_local int capture_mode; /* 0: global, 2: relaxed */
static _Thread_local struct context *stack[16];
static _Thread_local int depth;

void fake_advance(long long ns) { __atomic_add_fetch(&now_ns, ns, __ATOMIC_SEQ_CST); }
void fake_real_clock(int on) { real_clock = on; }
void fake_not_ready(long times) { __atomic_store_n(&not_ready, times, __ATOMIC_SEQ_CST); }
void fake_slow_stream(void *stream) { slow_stream = stream; }
long fake_live_events(void) { return live_events; }
int fake_retained(int device) { return primary[device].retained; }
void fake_capture(void *stream, int status) { captured_stream = stream, capture_status = status; }
int fake_capture_status(void) { return capture_status; }
int fake_context_depth(void) { return depth; }

static long long clock_ns(void) {
    if (!real_clock) return __atomic_load_n(&now_ns, __ATOMIC_SEQ_CST);
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static struct context *current(void) { return depth ? stack[depth - 1] : NULL; }

/* What is forbidden while any stream is captured, unless this thread said that it may. */
static int breaks_capture(void) {
    if (capture_status != 1 || capture_mode == 2) return 0;
    capture_status = 2;
    return 900;
}

int cuInit(unsigned flags) {
    int entered = number("FAKE_ENTERED", -1), leave = number("FAKE_LEAVE", -1);
    char byte = 0;
    if (entered >= 0 && (write(entered, &byte, 1) != 1 || read(leave, &byte, 1) != 1)) abort();
    for (int i = 0; i < DEVICES; ++i) primary[i].device = i;
    if (number("FAKE_ACTIVE", 0)) primary[0].retained = 1, stack[depth++] = &primary[0];
    return (int)flags + number("FAKE_INIT", 0);
}

int cuDriverGetVersion(int *version) {
    *version = number("FAKE_VERSION", 13020);
    return number("FAKE_VERSION_CODE", 0);
}

#ifndef WITHOUT_DEVICE_COUNT
int cuDeviceGetCount(int *count) {
    *count = number("FAKE_DEVICES", 2);
    return number("FAKE_COUNT_CODE", 0);
}
#endif

int cuDeviceGet(int *device, int index) { return *device = index, 0; }

int cuDeviceGetPCIBusId(char *place, int size, int device) {
    BEGIN("cuDeviceGetPCIBusId")
    snprintf(place, (size_t)size, "0000:%02X:00.0", device + 1);
    END(0);
}

int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
    BEGIN("cuDevicePrimaryCtxGetState")
    *flags = 0, *active = primary[device].retained > 0;
    END(0);
}

int cuDevicePrimaryCtxRetain(struct context **context, int device) {
    BEGIN("cuDevicePrimaryCtxRetain")
    ++primary[device].retained, *context = &primary[device];
    END(0);
}

int cuDevicePrimaryCtxRelease_v2(int device) {
    BEGIN("cuDevicePrimaryCtxRelease")
    --primary[device].retained;
    END(0);
}

int cuCtxGetCurrent(struct context **context) {
    BEGIN("cuCtxGetCurrent")
    *context = current();
    END(0);
}

int cuCtxPushCurrent_v2(struct context *context) {
    BEGIN("cuCtxPushCurrent")
    stack[depth++] = context;
    END(0);
}

int cuCtxPopCurrent_v2(struct context **context) {
    BEGIN("cuCtxPopCurrent")
    *context = stack[--depth];
    END(0);
}

int cuThreadExchangeStreamCaptureMode(int *mode) {
    BEGIN("cuThreadExchangeStreamCaptureMode")
    int before = capture_mode;
    capture_mode = *mode, *mode = before;
    END(0);
}

int cuStreamIsCapturing(void *stream, int *status) {
    BEGIN("cuStreamIsCapturing")
    if (capture_status == 1 && !stream) END(906);
    *status = capture_status && stream == captured_stream ? capture_status : 0;
    END(0);
}

int cuEventCreate(struct event **event, unsigned flags) {
    BEGIN("cuEventCreate")
    if (!current()) END(201);
    if (breaks_capture()) END(900);
    *event = calloc(1, sizeof **event);
    (*event)->context = current();
    ++live_events;
    END((int)flags);
}

int cuEventDestroy_v2(struct event *event) {
    BEGIN("cuEventDestroy")
    free(event);
    --live_events;
    END(0);
}

int cuEventRecord(struct event *event, void *stream) {
    BEGIN("cuEventRecord")
    if ((uintptr_t)stream <= 2 && current() != event->context) END(current() ? 400 : 201);
    event->at = clock_ns();
    event->queries = slow_stream && stream == slow_stream ? -1 : 0;
    event->recorded = 1;
    END(0);
}

int cuEventElapsedTime(float *ms, struct event *start, struct event *stop) {
    BEGIN("cuEventElapsedTime")
    if (breaks_capture()) END(900);
    if (!start->recorded || !stop->recorded) END(400);
    if (stop->queries < 0 || stop->queries++ < __atomic_load_n(&not_ready, __ATOMIC_SEQ_CST))
        END(600);
    *ms = (float)((double)(stop->at - start->at) / 1e6);
    END(0);
}

/* What nobody may call between a start and a report. */
int cuCtxSynchronize(void) { BEGIN("cuCtxSynchronize") END(0); }
int cuEventSynchronize(void *event) { BEGIN("cuEventSynchronize") END(event == NULL); }
int cuStreamSynchronize(void *stream) { BEGIN("cuStreamSynchronize") END(0 * (stream == NULL)); }
int cuMemcpyDtoH_v2(void *to, void *from, size_t size) {
    BEGIN("cuMemcpyDtoH")
    END(0 * (to == from) * (int)size);
}

/* The ABI before CUDA 3.2 and 4.0, under the bare names: whoever takes one has taken a wrong one. */
int cuDevicePrimaryCtxRelease(int device) { return 201 + 0 * device; }
int cuCtxPushCurrent(void *context) { return 201 + 0 * (context == NULL); }
int cuCtxPopCurrent(void *context) { return 201 + 0 * (context == NULL); }
int cuEventDestroy(void *event) { return 201 + 0 * (event == NULL); }
int cuMemGetInfo(unsigned *free, unsigned *total) { return 201 + 0 * (free == total); }

/* -- memory --------------------------------------------------------------------------------------- */

static long long curve[CURVE] = {1 << 20};
static int points = 1, at;

/* Bytes in use as each asking will see them; the last for ever. */
void fake_memory(const long long *used, int count) {
    pthread_mutex_lock(&mutex);
    memcpy(curve, used, (size_t)count * sizeof *used);
    points = count, at = 0;
    pthread_mutex_unlock(&mutex);
}

static long long used_now(void) { return curve[at < points - 1 ? at++ : points - 1]; }

int cuMemGetInfo_v2(size_t *free, size_t *total) {
    BEGIN("cuMemGetInfo")
    if (!current()) END(201);
    if (breaks_capture()) END(900);
    *total = (size_t)1 << 34, *free = *total - (size_t)used_now();
    END(0);
}

/* -- NVML ----------------------------------------------------------------------------------------- */

static unsigned long long reasons;
static unsigned mhz = 1980;

void fake_clocks(unsigned now_mhz, unsigned long long why) { mhz = now_mhz, reasons = why; }

int nvmlInit_v2(void) { return number("FAKE_NVML_INIT", 0); }
const char *nvmlErrorString(int code) { return code == 15 ? "GPU is lost" : "Unknown Error"; }

int nvmlDeviceGetHandleByPciBusId_v2(const char *place, void **device) {
    BEGIN("nvmlDeviceGetHandleByPciBusId")
    *device = (void *)strtoul(place + 5, NULL, 16);
    END(0);
}

int nvmlDeviceGetMemoryInfo(void *device, unsigned long long *memory) {
    BEGIN("nvmlDeviceGetMemoryInfo")
    memory[0] = 1ULL << 34, memory[2] = (unsigned long long)used_now() + (512 << 20);
    memory[1] = memory[0] - memory[2];
    END(device == NULL);
}

#ifndef OLD_DRIVER
struct memory2 { unsigned version; unsigned long long total, reserved, free, used; };

int nvmlDeviceGetMemoryInfo_v2(void *device, struct memory2 *memory) {
    BEGIN("nvmlDeviceGetMemoryInfo_v2")
    if (memory->version != (sizeof *memory | 2u << 24)) END(25);
    memory->used = (unsigned long long)used_now();
    END(device == NULL);
}
#endif

int nvmlDeviceGetClockInfo(void *device, int domain, unsigned *clock) {
    BEGIN("nvmlDeviceGetClockInfo")
    *clock = domain == 1 ? mhz : 1;
    END(device == NULL);
}

int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *why) {
    BEGIN("nvmlDeviceGetCurrentClocksThrottleReasons")
    *why = reasons;
    END(device == NULL);
}

/* -- what gives the functions above --------------------------------------------------------------- */

#ifndef NO_PROC_ADDRESS
static void *address_of(const char *name) {
#define GIVES(own, function) if (!strcmp(name, own)) return (void *)(uintptr_t)function
    GIVES("cuInit", cuInit);
#ifndef WITHOUT_DEVICE_COUNT
    GIVES("cuDeviceGetCount", cuDeviceGetCount);
#endif
    GIVES("cuDeviceGet", cuDeviceGet);
    GIVES("cuDeviceGetPCIBusId", cuDeviceGetPCIBusId);
    GIVES("cuDevicePrimaryCtxGetState", cuDevicePrimaryCtxGetState);
    GIVES("cuDevicePrimaryCtxRetain", cuDevicePrimaryCtxRetain);
    GIVES("cuDevicePrimaryCtxRelease", cuDevicePrimaryCtxRelease_v2);
    GIVES("cuCtxGetCurrent", cuCtxGetCurrent);
    GIVES("cuCtxPushCurrent", cuCtxPushCurrent_v2);
    GIVES("cuCtxPopCurrent", cuCtxPopCurrent_v2);
    GIVES("cuMemGetInfo", cuMemGetInfo_v2);
    GIVES("cuStreamIsCapturing", cuStreamIsCapturing);
    GIVES("cuThreadExchangeStreamCaptureMode", cuThreadExchangeStreamCaptureMode);
    GIVES("cuEventCreate", cuEventCreate);
    GIVES("cuEventDestroy", cuEventDestroy_v2);
    GIVES("cuEventRecord", cuEventRecord);
    GIVES("cuEventElapsedTime", cuEventElapsedTime);
    return NULL;
}

static int proc_address(const char *name, void **address, int version) {
    *address = version >= 11000 ? address_of(name) : NULL;
    return *address ? 0 : 500;
}

#ifdef OLD_DRIVER
int cuGetProcAddress(const char *name, void **address, int version, uint64_t flags) {
    BEGIN("cuGetProcAddress")
    END(flags ? 1 : proc_address(name, address, version));
}
#else
int cuGetProcAddress_v2(const char *name, void **address, int version, uint64_t flags,
                        int *found) {
    BEGIN("cuGetProcAddress_v2")
    int code = flags ? 1 : proc_address(name, address, version);
    *found = code ? 1 : 0;
    END(code);
}
#endif
#endif
