;;; tbfg --- A tiny build farm for GNU Guix
;;;
;;; This file is part of tbfg, which is free software under the GNU General
;;; Public License, version 3 or later.  See the file COPYING.

(define-module (tbfg packages)
  #:use-module (gnu packages golang)
  #:use-module (gnu packages golang-build)
  #:use-module (gnu packages golang-check)
  #:use-module (gnu packages golang-compression)
  #:use-module (gnu packages golang-xyz)
  #:use-module (gnu packages prometheus)
  #:use-module (guix build-system go)
  #:use-module (guix channels)
  #:use-module (guix describe)
  #:use-module (guix gexp)
  #:use-module (guix git)
  #:use-module (guix git-download)
  #:use-module ((guix licenses) #:prefix license:)
  #:use-module (guix packages)
  #:use-module (guix utils)
  #:use-module (srfi srfi-1)
  #:use-module (srfi srfi-26)
  #:export (tbfg))

;;; Commentary:
;;;
;;; The package of the very source that this module came with.
;;;
;;; Code:

(define %checkout
  ;; The top of the source tree if this module is in one: with "-L guix".
  (let ((top (and=> (current-source-directory)
                    (cut string-append <> "/../.."))))
    (and top
         (file-exists? (string-append top "/go.mod"))
         (canonicalize-path top))))

(define (tbfg-source checkout)
  "Return the source in CHECKOUT or, if that is #f because the module came through
a channel, which installs modules only, that channel's repository at the commit
that was pulled."
  (if checkout
      (local-file checkout "tbfg-checkout"
                  #:recursive? #t
                  #:select? (or (git-predicate checkout)
                                (const #t)))
      (let ((channel (find (lambda (channel)
                             (eq? (channel-name channel)
                                  'tbfg))
                           (current-channels))))
        (git-checkout (url (if channel
                               (channel-url channel)
                               "https://codeberg.org/tbfg/tbfg"))
                      (commit (and channel
                                   (channel-commit channel)))
                      (branch "main")))))

(define-public tbfg
  (package
    (name "tbfg")
    (version "0.1.0")
    (source
     (tbfg-source %checkout))
    (build-system go-build-system)
    (arguments
     (list
      #:go go-1.25
      #:install-source? #f
      #:import-path "codeberg.org/tbfg/tbfg/cmd/tbfg"
      #:unpack-path "codeberg.org/tbfg/tbfg"
      ;; Files of the libraries are symbolic links, which Go does not embed.
      #:embed-files
      #~(list "editions_defaults.binpb")
      #:build-flags
      #~(list (string-append "-ldflags=-s -w -X main.version="
                             #$version))
      ;; The other tests need root and a guix-daemon.
      #:test-subdirs
      #~(list "nix/..." "daemon/..." "config/..." "shepherd/...")
      #:phases
      #~(modify-phases %standard-phases
          (replace 'check
            (lambda* (#:key tests? test-flags test-subdirs unpack-path
                      #:allow-other-keys)
              (when tests?
                ;; Without go.mod, tests have the settings of an old Go.
                (setenv "GODEBUG" "httpmuxgo121=0,asynctimerchan=0")
                (setenv "HOME"
                        (getcwd))
                (apply invoke "go" "test"
                       (append (map (lambda (directory)
                                      (string-append unpack-path "/" directory))
                                    test-subdirs) test-flags)))))
          (add-after 'install 'install-names-and-manual
            (lambda _
              (let* ((bin (string-append #$output "/bin"))
                     (share (string-append #$output "/share"))
                     (man (string-append share "/man/man1"))
                     (bash (string-append share "/bash-completion/completions"))
                     (zsh (string-append share "/zsh/site-functions")))
                (define (manual kind file)
                  ;; Only a program for this machine can print it.
                  (let ((port (open-pipe* OPEN_READ
                                          #+(if (%current-target-system)
                                                (file-append this-package
                                                             "/bin/tbfg")
                                                #~(string-append bin "/tbfg"))
                                          "manual" kind)))
                    (mkdir-p (dirname file))
                    (call-with-output-file file
                      (lambda (out)
                        (dump-port port out)))
                    (unless (zero? (close-pipe port))
                      (error "cannot print the manual" kind))))

                (manual "man"
                        (string-append man "/tbfg.1"))
                (manual "bash"
                        (string-append bash "/tbfg"))
                (manual "zsh"
                        (string-append zsh "/_tbfg"))
                (for-each (lambda (name)
                            (symlink "tbfg"
                                     (string-append bin "/" name))
                            (symlink "tbfg.1"
                                     (string-append man "/" name ".1"))
                            (symlink "tbfg"
                                     (string-append bash "/" name)))
                          '("guix-build-coordinator"
                            "guix-build-coordinator-agent")))))
          (add-after 'install 'install-units
            ;; For agents on other distributions.
            (lambda* (#:key unpack-path #:allow-other-keys)
              (invoke "make" "-C"
                      (string-append (getenv "GOPATH") "/src/" unpack-path)
                      "units"
                      (string-append "PREFIX="
                                     #$output)))))
      #:modules '((guix build go-build-system)
                  (guix build utils)
                  (ice-9 popen))))
    ;; Go libraries are sources: nothing of them is needed to run the program.
    (native-inputs (list go-github-com-coreos-go-systemd-v22
                         go-github-com-fsnotify-fsnotify
                         go-github-com-google-go-cmp
                         go-github-com-google-uuid
                         go-github-com-klauspost-compress
                         go-github-com-mattn-go-sqlite3
                         go-github-com-pelletier-go-toml-v2
                         go-github-com-prometheus-client-golang
                         go-github-com-ulikunitz-xz
                         go-github-com-urfave-cli-v2
                         go-golang-org-x-sync
                         go-golang-org-x-sys
                         go-golang-org-x-term
                         go-pgregory-net-rapid))
    (home-page "https://codeberg.org/tbfg/tbfg")
    (synopsis "Tiny build farm for GNU Guix")
    (description
     "tbfg is a build farm in one program.  Its coordinator hands out builds
of derivations to agents, which have their guix-daemon build them; it keeps the
logs, serves them, and shows which failure blocks what.  It takes the place of
the Guix Build Coordinator, of its agent and of the web server for the logs,
and speaks their protocols, also under their names.")
    (license license:gpl3+)))
