// A driver's library that does as a script says. The script is the file that
// FAKE_NVML names, and is read again whenever it has changed:
//
//	count 2                          GPUs, as of nvmlInit
//	util 35                          a value, of every GPU; of two such lines the first counts
//	1.util 99                        of one
//	1.nvmlDeviceGetName 15           a function returns that code
//	1.all 15                         all do, until the next nvmlInit at least
//	1.hang.nvmlDeviceGetPowerUsage 9 it takes that many seconds, or until the script has changed
//	1.procs 4242:c:1000:50 …         PID, kind (c, g, m), bytes, percent
//	field.197 3:1000:7               type and value of a field, 7 more at each call since nvmlInit
//	field.138.2 3:1000               of link 2
//	wait 50                          milliseconds that a wait for events lasts at most
//	event 7 0 8 79 -1                the seventh event: GPU, type, data, GPU instance
//
// It ends the process when a GPU gets two calls at a time, and when it is shut
// down during a call. FAKE_NVML_LOG names a file for the calls that come once
// in a while. With -DOLD it has what a driver of 2015 has. It never has
// nvmlErrorString.
#include "script.h"

nvmlReturn_t NEWEST(nvmlInit, 2)(void) {
	note("init");
	hang(0, "nvmlInit");
	nvmlReturn_t r = num(0, "nvmlInit", NVML_SUCCESS);
	if (r == NVML_SUCCESS && inits++ == 0) {
		count = num(0, "count", 2);
		memset(sticky, 0, sizeof sticky);
		memset(asked, 0, sizeof asked);
	}
	return r;
}

nvmlReturn_t nvmlShutdown(void) {
	note("shutdown");
	if (atomic_load(&calls))
		die("shut down during a call", -1);
	if (!inits)
		return NVML_ERROR_UNINITIALIZED;
	inits--;
	return NVML_SUCCESS;
}

nvmlReturn_t NEWEST(nvmlDeviceGetCount, 2)(unsigned *n) {
	*n = count;
	return num(0, "nvmlDeviceGetCount", NVML_SUCCESS);
}

nvmlReturn_t NEWEST(nvmlDeviceGetHandleByIndex, 2)(unsigned i, nvmlDevice_t *d) {
	nvmlReturn_t r = begin(i, "nvmlDeviceGetHandleByIndex");
	devices[i][0] = (struct nvmlDevice_st){i, -1};
	d->handle = &devices[i][0];
	return end(i, r);
}

CALL(NEWEST(nvmlDeviceGetPciInfo, 3), nvmlPciInfo_t *p)
	memset(p, 0, sizeof *p);
	p->bus = num(g, "bus", 1 + g);
	snprintf(p->busId, sizeof p->busId, "%08X:%02X:00.0", 0, p->bus);
DONE

#ifndef OLD
nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *e, unsigned ms) {
	char key[32], out[64];
	snprintf(key, sizeof key, "wait %u", ms);
	note(key);
	atomic_fetch_add(&calls, 1);
	nvmlReturn_t r = num(0, "nvmlEventSetWait", NVML_ERROR_TIMEOUT);
	for (double until = now() + num(0, "wait", ms) / 1e3; r == NVML_ERROR_TIMEOUT && now() < until;) {
		long long seq, gpu, type, data, instance;
		if (text(0, "event", out, sizeof out) && sscanf(out, "%lld %lld %lld %lld %lld", &seq, &gpu, &type, &data, &instance) == 5 &&
			seq > set.handle->told && set.handle->types[gpu] & type) {
			set.handle->told = seq;
			*e = (nvmlEventData_t){{&devices[gpu][0]}, type, data, instance, -1};
			r = NVML_SUCCESS;
		} else
			usleep(100000); // a real driver sleeps until there is something
	}
	atomic_fetch_sub(&calls, 1);
	return r;
}
#endif

CALL(nvmlDeviceGetName, char *v, unsigned n) if (!text(g, d.handle->part < 0 ? "name" : "part.name", v, n)) snprintf(v, n, "NVIDIA L4"); DONE
CALL(nvmlDeviceGetUUID, char *v, unsigned n)
	if (d.handle->part >= 0)
		snprintf(v, n, "MIG-%d-%d", g, d.handle->part);
	else if (!text(g, "uuid", v, n))
		snprintf(v, n, "GPU-%d", g);
DONE
CALL(nvmlDeviceGetUtilizationRates, nvmlUtilization_t *u) u->gpu = num(g, "util", 0); u->memory = num(g, "memutil", 0); DONE
CALL(nvmlDeviceGetMemoryInfo, nvmlMemory_t *m)
	m->total = num(g, "total", 24ull << 30); m->used = num(g, "used", 0) + num(g, "reserved", 0); m->free = m->total - m->used;
DONE
CHOICE(nvmlDeviceGetClockInfo, nvmlClockType_t, NVML_CLOCK_SM, "clock", "memclock")
CHOICE(nvmlDeviceGetMaxClockInfo, nvmlClockType_t, NVML_CLOCK_SM, "clockmax", "memclockmax")
CHOICE(nvmlDeviceGetTemperatureThreshold, nvmlTemperatureThresholds_t, NVML_TEMPERATURE_THRESHOLD_SLOWDOWN, "tempslow", "templimit")
CALL(nvmlDeviceGetTemperature, nvmlTemperatureSensors_t s, unsigned *v) *v = num(g, "temp", 40); DONE
VALUE(nvmlDeviceGetPowerUsage, unsigned, "power", 0)
VALUE(nvmlDeviceGetEnforcedPowerLimit, unsigned, "powercap", 72000)
VALUE(nvmlDeviceGetPerformanceState, nvmlPstates_t, "pstate", 0)
VALUE(nvmlDeviceGetCurrentClocksThrottleReasons, unsigned long long, "reasons", 0)
VALUE(nvmlDeviceGetFanSpeed, unsigned, "fan", 30)
VALUE(nvmlDeviceGetPersistenceMode, nvmlEnableState_t, "persistence", 1)
VALUE(nvmlDeviceGetComputeMode, nvmlComputeMode_t, "compute", 0)
VALUE(nvmlDeviceGetCurrPcieLinkGeneration, unsigned, "gen", 4)
VALUE(nvmlDeviceGetMaxPcieLinkGeneration, unsigned, "genmax", 4)
VALUE(nvmlDeviceGetCurrPcieLinkWidth, unsigned, "width", 8)
VALUE(nvmlDeviceGetMaxPcieLinkWidth, unsigned, "widthmax", 16)

nvmlReturn_t nvmlSystemGetDriverVersion(char *v, unsigned n) {
	if (!text(0, "driver", v, n))
		snprintf(v, n, "550.54.15");
	return NVML_SUCCESS;
}

// processes fills a list of one kind.
static nvmlReturn_t processes(nvmlDevice_t d, const char *function, char kind, unsigned *n, void *out, int old) {
	static _Thread_local char all[16384];
	int g = d.handle->gpu;
	nvmlReturn_t r = begin(g, function);
	if (r)
		return end(g, r);
	unsigned i = 0, room = *n, pid;
	unsigned long long mem;
	char k, key[16], *at = all;
	snprintf(key, sizeof key, d.handle->part < 0 ? "procs" : "procs.%d", d.handle->part);
	if (!text(g, key, all, sizeof all))
		all[0] = 0;
	for (int used; sscanf(at, " %u:%c:%llu:%*u%n", &pid, &k, &mem, &used) == 3; at += used) {
		if (k != kind)
			continue;
		if (i < room && old)
			((nvmlProcessInfo_v1_t *)out)[i] = (nvmlProcessInfo_v1_t){pid, mem};
		else if (i < room)
			((nvmlProcessInfo_t *)out)[i] = (nvmlProcessInfo_t){pid, mem, -1, -1};
		i++;
	}
	*n = i;
	return end(g, i > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS);
}

#ifdef OLD
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t d, unsigned *n, nvmlProcessInfo_v1_t *p) {
	return processes(d, "nvmlDeviceGetComputeRunningProcesses", 'c', n, p, 1);
}
#else
nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *v) { *v = num(0, "cuda", 12040); return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t d, unsigned *n, nvmlProcessInfo_t *p) {
	return processes(d, "nvmlDeviceGetComputeRunningProcesses", 'c', n, p, 0);
}
nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t d, unsigned *n, nvmlProcessInfo_t *p) {
	return processes(d, "nvmlDeviceGetGraphicsRunningProcesses", 'g', n, p, 0);
}
nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v3(nvmlDevice_t d, unsigned *n, nvmlProcessInfo_t *p) {
	return processes(d, "nvmlDeviceGetMPSComputeRunningProcesses", 'm', n, p, 0);
}
CALL(nvmlDeviceGetMemoryInfo_v2, nvmlMemory_v2_t *m)
	m->total = num(g, "total", 24ull << 30); m->used = num(g, "used", 0); m->reserved = num(g, "reserved", 0);
	if (d.handle->part >= 0) { m->total = num(g, "part.total", 5ull << 30); m->used = num(g, "part.used", 0); }
DONE
VALUE(nvmlDeviceGetCurrentClocksEventReasons, unsigned long long, "reasons", 0)
VALUE(nvmlDeviceGetTotalEnergyConsumption, unsigned long long, "energy", 0)
CALL(nvmlDeviceGetEncoderUtilization, unsigned *v, unsigned *us) *v = num(g, "enc", 0); *us = 1; DONE
CALL(nvmlDeviceGetDecoderUtilization, unsigned *v, unsigned *us) *v = num(g, "dec", 0); *us = 1; DONE
VALUE(nvmlDeviceGetNumFans, unsigned, "fans", 0)
CALL(nvmlDeviceGetFanSpeed_v2, unsigned i, unsigned *v) *v = num(g, "fan", 30) + i; DONE
CALL(nvmlDeviceGetNvLinkState, unsigned i, nvmlEnableState_t *v) *v = num(g, "linkstate", 1); DONE
CALL(nvmlDeviceGetMigMode, unsigned *now, unsigned *next) *now = *next = num(g, "mig", 0); DONE
VALUE(nvmlDeviceGetMaxMigDeviceCount, unsigned, "maxparts", PARTS - 1)
CALL(nvmlDeviceGetMigDeviceHandleByIndex, unsigned i, nvmlDevice_t *part)
	r = i < num(g, "parts", 0) ? NVML_SUCCESS : NVML_ERROR_NOT_FOUND;
	devices[g][i + 1] = (struct nvmlDevice_st){g, i};
	part->handle = &devices[g][i + 1];
DONE
CALL(nvmlDeviceGetAttributes_v2, nvmlDeviceAttributes_t *a)
	memset(a, 0, sizeof *a);
	a->gpuInstanceSliceCount = 3; a->computeInstanceSliceCount = 1; a->memorySizeMB = 19968;
DONE
CALL(nvmlDeviceGetFieldValues, int n, nvmlFieldValue_t *v)
	for (int i = 0; i < n; i++) {
		char key[64], out[64];
		int type;
		long long value, step = 0;
		snprintf(key, sizeof key, "field.%u.%u", v[i].fieldId, v[i].scopeId);
		if (!text(g, key, out, sizeof out))
			snprintf(key, sizeof key, "field.%u", v[i].fieldId);
		v[i].nvmlReturn = NVML_ERROR_NOT_SUPPORTED;
		if (!text(g, key, out, sizeof out))
			continue;
		if (sscanf(out, "%d:%lli:%lld", &type, &value, &step) >= 2) {
			v[i].nvmlReturn = NVML_SUCCESS;
			v[i].valueType = type;
			v[i].value.sllVal = value + step * asked[g];
		} else
			v[i].nvmlReturn = atoi(out);
	}
	asked[g]++;
DONE
CALL(nvmlDeviceGetProcessUtilization, nvmlProcessUtilizationSample_t *v, unsigned *n, unsigned long long since)
	static _Thread_local char all[16384];
	unsigned i = 0, room = v ? *n : 0, pid, util;
	unsigned long long stamp = now() * 1e6;
	if (!text(g, "procs", all, sizeof all))
		all[0] = 0;
	char *at = all;
	for (int used; sscanf(at, " %u:%*c:%*u:%u%n", &pid, &util, &used) == 2; at += used, i++)
		if (i < room)
			v[i] = (nvmlProcessUtilizationSample_t){pid, stamp, util, 0, 0, 0};
	if (v) i += num(g, "growth", 0);
	*n = i;
	r = i > room ? NVML_ERROR_INSUFFICIENT_SIZE : i ? NVML_SUCCESS : NVML_ERROR_NOT_FOUND;
DONE
VALUE(nvmlDeviceGetSupportedEventTypes, unsigned long long, "eventtypes", 11)
CALL(nvmlDeviceRegisterEvents, unsigned long long types, nvmlEventSet_t set)
	if (types & ~num(g, "eventtypes", 11))
		r = NVML_ERROR_NOT_SUPPORTED;
	else
		set.handle->types[g] = types;
DONE
nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set) {
	note("create");
	set->handle = calloc(1, sizeof *set->handle);
	return num(0, "nvmlEventSetCreate", NVML_SUCCESS);
}
nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set) { note("free"); free(set.handle); return NVML_SUCCESS; }
#endif
