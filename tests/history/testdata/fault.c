/* A disk that fails. Loaded before the C library (LD_PRELOAD) it stands between
   SQLite and the kernel, and fails what is written to a database: the call
   that the test counts down to, in the way that the test says. What Go
   writes itself does not come by here. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { NOT_DONE = 1, DONE = 2, BROKEN = 3 };

/* The file of this name is shared with the test; see fault.go. */
static struct control {
	_Atomic int countdown; /* calls until the one that fails; 0 for none */
	_Atomic int how;
	_Atomic int calls; /* that came by */
	_Atomic int failed;
} *control;

__attribute__((constructor)) static void find_control(void)
{
	const char *name = getenv("TBFG_FAULT");
	int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
	void *at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		control = at;
}

static int is_database(int fd)
{
	char link[40], name[4096];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, name, sizeof name - 1);
	if (n < 0)
		return 0;
	name[n] = 0;
	return strstr(name, ".db") && !strstr(name, "-shm");
}

/* how a call on a file is to fail, or 0 */
static int fault(int fd)
{
	if (!control || !is_database(fd))
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

#define FAIL(type, name, params, args)                  \
	type name params                                \
	{                                               \
		static type(*real) params;              \
		if (!real)                              \
			real = dlsym(RTLD_NEXT, #name); \
		int how = fault(fd);                    \
		if (!how)                               \
			return real args;               \
		if (how == DONE)                        \
			real args;                      \
		errno = EIO;                            \
		return -1;                              \
	}

FAIL(ssize_t, write, (int fd, const void *data, size_t n), (fd, data, n))
FAIL(ssize_t, pwrite, (int fd, const void *data, size_t n, off_t at), (fd, data, n, at))
FAIL(ssize_t, pwrite64, (int fd, const void *data, size_t n, off64_t at), (fd, data, n, at))
FAIL(int, ftruncate, (int fd, off_t size), (fd, size))
FAIL(int, ftruncate64, (int fd, off64_t size), (fd, size))
FAIL(int, fsync, (int fd), (fd))
FAIL(int, fdatasync, (int fd), (fd))
