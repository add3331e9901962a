;; The environment in which tbfg is developed: guix shell -m manifest.scm

(add-to-load-path (string-append (dirname (current-filename)) "/guix"))

(use-modules (guix packages)
             (guix profiles)
             (gnu packages)
             (tbfg packages))

(concatenate-manifests
 (list
  ;; What the package is built with.  Go itself takes the libraries from the
  ;; module proxy, as go.mod says; a C compiler is for SQLite.
  (package->development-manifest tbfg)
  ;; What "make check" and "make bench" call.
  (specifications->manifest
   '("git" "make" "gcc-toolchain" "debootstrap" "sqlite" "zstd" "lzip"
     "nginx" "shellcheck"))))
