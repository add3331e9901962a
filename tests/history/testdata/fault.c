/* A disk that fails. Loaded into a program (LD_PRELOAD) it has the kernel ask a
   thread of its own about every call by which files are written, whoever makes
   it, and fails what is written to the files that the test says: the call that
   the test counts down to, in the way that the test says. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOT_DONE = 1, DONE = 2, BROKEN = 3 };
enum { DATABASE = 0, LOGS = 1 };

/* The file of this name is shared with the test; see fault.go. */
static struct control {
	_Atomic int countdown; /* calls until the one that fails; 0 for none */
	_Atomic int how;
	_Atomic int which; /* files */
	_Atomic int calls; /* that came by */
	_Atomic int failed;
} *control;

/* The calls that the kernel asks about, and which argument says the file: the
   number of an open file, or a name. */
static const struct call {
	int number, argument, name;
} calls[] = {
	{SYS_write, 0, 0},     {SYS_pwrite64, 0, 0},  {SYS_ftruncate, 0, 0}, {SYS_fsync, 0, 0},
	{SYS_fdatasync, 0, 0}, {SYS_renameat, 3, 1},  {SYS_mkdirat, 1, 1},
#ifdef SYS_rename
	{SYS_rename, 1, 1},    {SYS_mkdir, 0, 1},
#endif
};
enum { CALLS = sizeof calls / sizeof *calls };

static int is_ours(const struct seccomp_data *data)
{
	const struct call *call = calls;
	while (call->number != data->nr)
		call++;
	char link[40], text[4096];
	const char *name = (const char *)data->args[call->argument]; /* it is this process that asks */
	if (!call->name) {
		snprintf(link, sizeof link, "/proc/self/fd/%d", (int)data->args[call->argument]);
		ssize_t n = readlink(link, text, sizeof text - 1);
		if (n < 0)
			return 0;
		text[n] = 0;
		name = text;
	}
	return control->which == LOGS ? !!strstr(name, "/build-logs") : strstr(name, ".db") && !strstr(name, "-shm");
}

/* how a call is to fail, or 0 */
static int fault(const struct seccomp_data *data)
{
	if (!is_ours(data))
		return 0;
	atomic_fetch_add(&control->calls, 1);
	int left = atomic_load(&control->countdown);
	if (left <= 0)
		return 0;
	if (left > 1) {
		atomic_store(&control->countdown, left - 1);
		return 0;
	}
	if (control->how != BROKEN) /* which stays so until it is mended */
		atomic_store(&control->countdown, 0);
	atomic_fetch_add(&control->failed, 1);
	return control->how;
}

static _Atomic int listener = -1;

static void *answer(void *unused)
{
	struct seccomp_notif asked;
	while (listener < 0)
		usleep(100);
	for (;;) {
		memset(&asked, 0, sizeof asked);
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked))
			continue;
		struct seccomp_notif_resp reply = {.id = asked.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
		__u64 *args = asked.data.args;
		int ours = !syscall(SYS_tgkill, getpid(), asked.pid, 0), how = ours ? fault(&asked.data) : 0;
		if (how == DONE)
			syscall(asked.data.nr, args[0], args[1], args[2], args[3]);
		if (how) {
			reply.flags = 0;
			reply.error = -EIO;
		}
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
	}
	return unused;
}

static void give_up(const char *what)
{
	perror(what);
	_exit(70);
}

__attribute__((constructor)) static void begin(void)
{
	const char *name = getenv("TBFG_FAULT");
	int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
	control = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (control == MAP_FAILED)
		give_up("the failing disk is not told how");

	/* This thread is there before the filter, so that it is not asked about
	   itself; signals are for the others. */
	pthread_t thread;
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, answer, NULL))
		give_up("cannot begin the failing disk");
	pthread_sigmask(SIG_SETMASK, &before, NULL);

	struct sock_filter filter[CALLS + 3];
	filter[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (int i = 0; i < CALLS; i++)
		filter[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, CALLS - i, 0);
	filter[CALLS + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[CALLS + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	struct sock_fprog program = {CALLS + 3, filter};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		give_up("cannot begin the failing disk");
	int asks = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	if (asks < 0)
		give_up("cannot stand between the program and the kernel");
	listener = asks;
}
