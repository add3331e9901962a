;; The environment in which tbfg is developed: guix shell -m manifest.scm
;;
;; Go takes the libraries from the module proxy, as go.mod says.  "guix shell -D
;; -L guix tbfg" has them from Guix instead, for a build without modules.

(specifications->manifest
 '("go@1.25" "gcc-toolchain"            ;SQLite is C
   "make" "git" "coreutils" "findutils" "grep" "sed" "gawk" "tar"

   ;; What "make check" and "make bench" call.
   "debootstrap" "sqlite" "zstd" "lzip" "nginx" "shellcheck"))
