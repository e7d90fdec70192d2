/* A program that stops itself in a known chain of calls, for unwinding.
 *
 *     frames stop|deep N|signal|vdso|jit|jitfp|jitmap|thread|fork|vfork|spawn|plugin PATH|exec PATH
 *
 * The chain is main, first, second, third, fourth, fifth, and then what the argument says: SIGSTOP at
 * once; N more calls of `deeper` before it; in the handler of a signal that came in `interrupted`, or in
 * the kernel's own code (vdso); in a function that machine code made here calls, without and with
 * a frame pointer, and with a list of it in /tmp; `start_routine` begun as a thread; a process forked, or vforked; one
 * made by posix_spawn; in a function that `plugin_enter` of a shared object calls; the same with
 * SIGSTOP ("stop") in another program. Those that create something stop themselves before as well.
 */
#define _GNU_SOURCE
#include "say.h"
#include <dlfcn.h>
#include <elf.h>
#include <signal.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

#define CALLED __attribute__((noinline, noclone))

static int count;
static char **arguments;
extern char **environ;

/* Counting behind each call keeps it from becoming a jump. */
CALLED static void stop_here(void) {
	raise(SIGSTOP);
	count++;
}

CALLED static void deeper(long depth) {
	volatile char room[200];
	room[depth % 200] = 1;
	if (depth > 0)
		deeper(depth - 1);
	else
		stop_here();
	count += room[depth % 200];
}

static void on_signal(int signal) {
	(void)signal;
	stop_here();
	count++;
}

CALLED static void interrupted(void) {
	signal(SIGUSR1, on_signal);
#ifdef __x86_64__
	/* A signal that is raised by a fault comes at a known instruction. */
	signal(SIGILL, on_signal);
	__asm__ volatile("ud2");
#else
	raise(SIGUSR1);
#endif
	count++;
}

static char *volatile vdso_from, *volatile vdso_to;

static void on_alarm(int signal, siginfo_t *info, void *context) {
	(void)signal;
	(void)info;
#ifdef __x86_64__
	char *at = (char *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#else
	char *at = (char *)((ucontext_t *)context)->uc_mcontext.pc;
#endif
	if (at >= vdso_from && at < vdso_to)
		stop_here();
}

CALLED static void in_vdso(void) {
	char *image = (char *)getauxval(AT_SYSINFO_EHDR);
	vdso_from = image;
	vdso_to = image + 0x4000;
	struct sigaction action = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigaction(SIGALRM, &action, NULL);
	struct itimerval often = {{0, 1000}, {0, 1000}};
	setitimer(ITIMER_REAL, &often, NULL);
	struct timespec now;
	for (;;)
		clock_gettime(CLOCK_MONOTONIC, &now);
}

CALLED static void made_code(int with_fp, int with_list) {
	/* Calls its argument. The stack pointer is moved by as much as a call needs it to be. */
	static const unsigned char without[] = {0x48, 0x83, 0xec, 0x38, 0xff, 0xd7, 0x48, 0x83, 0xc4, 0x38, 0xc3};
	static const unsigned char with[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x30, 0xff, 0xd7, 0xc9, 0xc3};
	void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code == MAP_FAILED)
		die("cannot map memory for code: %s", strerror(errno));
	memcpy(code, with_fp ? with : without, with_fp ? sizeof with : sizeof without);
	char name[64];
	snprintf(name, sizeof name, "/tmp/perf-%d.map", getpid());
	if (with_list) {
		FILE *list = fopen(name, "w");
		if (!list)
			die("cannot make %s: %s", name, strerror(errno));
		fprintf(list, "%lx %zx made\n", (unsigned long)code, sizeof with);
		fclose(list);
	}
	void (*made)(void (*)(void));
	*(void **)&made = code;
	made(stop_here);
	count++;
	if (with_list)
		unlink(name);
}

CALLED static void *start_routine(void *arg) { return arg; }

CALLED static void make_thread(void) {
	stop_here();
	pthread_t thread;
	pthread_create(&thread, NULL, start_routine, NULL);
	pthread_join(thread, NULL);
	count++;
}

CALLED static void fork_child(void) {
	stop_here();
	pid_t child = fork();
	if (child == 0) {
		stop_here();
		_exit(0);
	}
	waitpid(child, NULL, 0);
	count++;
}

CALLED static void vfork_child(void) {
	stop_here();
	if (vfork() == 0)
		_exit(0);
	count++;
}

CALLED static void spawn_child(void) {
	stop_here();
	pid_t child;
	char *own[] = {"true", NULL};
	posix_spawnp(&child, "true", NULL, NULL, own, environ);
	waitpid(child, NULL, 0);
	count++;
}

CALLED static void by_plugin(const char *path) {
	void *plugin = dlopen(path, RTLD_NOW);
	if (!plugin)
		die("cannot load %s: %s", path, dlerror());
	void (*enter)(void (*)(void));
	*(void **)&enter = dlsym(plugin, "plugin_enter");
	enter(stop_here);
	count++;
}

CALLED static void fifth(void) {
	const char *what = arguments[1];
	if (!strcmp(what, "stop"))
		stop_here();
	else if (!strcmp(what, "deep"))
		deeper(atol(arguments[2]));
	else if (!strcmp(what, "signal"))
		interrupted();
	else if (!strcmp(what, "vdso"))
		in_vdso();
	else if (!strcmp(what, "jit"))
		made_code(0, 0);
	else if (!strcmp(what, "jitfp"))
		made_code(1, 0);
	else if (!strcmp(what, "jitmap"))
		made_code(1, 1);
	else if (!strcmp(what, "thread"))
		make_thread();
	else if (!strcmp(what, "fork"))
		fork_child();
	else if (!strcmp(what, "vfork"))
		vfork_child();
	else if (!strcmp(what, "spawn"))
		spawn_child();
	else if (!strcmp(what, "plugin"))
		by_plugin(arguments[2]);
	else if (!strcmp(what, "exec")) {
		stop_here();
		execl(arguments[2], arguments[2], "stop", (char *)NULL);
	} else
		die("what shall be done? \"%s\" is nothing", what);
	count++;
}

CALLED static void fourth(void) { fifth(), count++; }
CALLED static void third(void) { fourth(), count++; }
CALLED static void second(void) { third(), count++; }
CALLED static void first(void) { second(), count++; }

int main(int argc, char **argv) {
	if (argc < 2)
		die("an argument is needed");
	arguments = argv;
	first();
	return count == 0;
}
