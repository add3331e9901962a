;; Build the channel's package with the real guix-daemon, for phases_test.go:
;;
;;   guix repl -L guix -- build.scm INPUTS [TEST-SUBDIRECTORY ...]
;;
;; The derivation is the one that "guix build tbfg" makes, by Guix's own
;; go-build-system, with every argument and phase of the package.  Only its
;; inputs, which nobody can build here, have stand-ins out of the directory
;; INPUTS: the libraries' sources, and links to the host's compilers and tools.
;; The check phase tests the subdirectories, or with none what the package says.
;;
;; Prints the output of the package; the log goes to standard error.

(use-modules (guix build-system)
             (guix derivations)
             (guix gexp)
             (guix grafts)
             (guix monads)
             (guix packages)
             (guix store)
             (guix utils)
             (ice-9 match)
             (srfi srfi-1)
             (tbfg packages))

(define-values (inputs subdirectories)
  (match (command-line)
    ((_ inputs . subdirectories)
     (values inputs subdirectories))))

(define (directory name . rest)
  (local-file (string-join (cons inputs rest) "/") name #:recursive? #t))

(define tools
  ;; Links to programs of the host, which the build sees in /host.
  (directory "tools" "tools"))

;; Guile of the machine, whose files the build sees in /guile.  The host's C
;; library may be too old for it, so that it must be told to load its own.
(define guile.sh "\
mkdir -p $out/bin
cat >$out/bin/guile <<END
#!$SHELL
export GUILE_SYSTEM_PATH=/guile/usr/share/guile/3.0
export GUILE_SYSTEM_COMPILED_PATH=$(echo /guile/usr/lib/*/guile/3.0/ccache)
exec $(echo /guile/usr/lib64/ld-linux-*) \\
  --library-path $(dirname /guile/usr/lib/*/guile) \\
  $(echo /guile/usr/lib/*/guile/3.0/bin/guile) \"\\$@\"
END
chmod +x $out/bin/guile
")

(define* (build-guile name inputs #:key system #:allow-other-keys)
  (mlet* %store-monad ((tools (lower-object tools))
                       (bin -> (string-append tools "/bin")))
    (raw-derivation name (string-append bin "/bash")
                    (list "-c" guile.sh)
                    #:sources (list tools)
                    #:system system
                    #:env-vars `(("PATH" . ,bin)
                                 ("SHELL" . ,(string-append bin "/bash"))))))

(define guile
  (package
    (name "guile")
    (version "3.0")
    (source #f)
    (build-system
     (build-system
      (name 'stand-in)
      (description "The Guile that the tests' machine has")
      (lower (lambda* (name #:key system #:allow-other-keys)
               (bag (name name)
                    (system system)
                    (build build-guile))))))
    (synopsis "")
    (description "")
    (home-page "")
    (license #f)))

(define (script name . code)
  "Return a package with one program, a shell script."
  (computed-file (string-append name "-stand-in")
                 #~(let ((bin (string-append #$output "/bin")))
                     (mkdir #$output)
                     (mkdir bin)
                     (call-with-output-file (string-append bin "/" #$name)
                       (lambda (port)
                         (format port "#!~a/bin/bash~%~a~%" #$tools
                                 (string-append #$@code))
                         (chmod port #o755))))
                 #:guile guile))

(define go
  ;; What is compiled outlives the build, or SQLite alone takes half a minute.
  (script "go" "GOCACHE=/gocache exec /goroot/bin/go \"$@\""))

(define make
  ;; Like Guix's, which has another shell than /bin/sh: there is none.
  (script "make" "exec /host/bin/make SHELL=" tools "/bin/bash \"$@\""))

(define go-std
  ;; What is compiled already, in the form that the build system expects.
  (directory "go-std" "go-std"))

(define (library package)
  "Return the sources that PACKAGE installs.  Guix's packages also bring libraries
for their own tests: those have none here, and would be missed were they needed."
  (define path
    (let ((arguments (package-arguments package)))
      (match (or (memq #:unpack-path arguments)
                 (memq #:import-path arguments))
        ((_ path . _) path))))
  (if (file-exists? (string-append inputs "/libraries/" path))
      (directory (package-full-name package "-") "libraries" path)
      go-std))

(define stand-in
  (match-lambda
    (("source" source) source)
    (("go" _) go)
    (("make" _) make)
    ((_ (? package? package) . _)
     (cond ((string-suffix? "-std" (package-name package)) go-std)
           ((string-prefix? "go-" (package-name package)) (library package))
           (else tools)))))

(define (search-paths inputs)
  (delete-duplicates
   (append-map (match-lambda
                 ((_ (? package? package) . _)
                  (package-native-search-paths package))
                 (_ '()))
               inputs)))

(define build
  (let* ((bag (package->bag tbfg))
         (inputs (bag-transitive-inputs bag)))
    ;; As 'bag->derivation' does it, but for the stand-ins.
    (apply (bag-build bag)
           (bag-name bag)
           (map (lambda (input)
                  (list (first input)
                        (gexp-input (stand-in input) #:native? #t)))
                inputs)
           #:search-paths (search-paths inputs)
           #:outputs (bag-outputs bag)
           #:system (bag-system bag)
           #:guile guile
           (substitute-keyword-arguments (bag-arguments bag)
             ((#:test-flags _ #f) #~(list "-v"))
             ((#:test-subdirs own)
              (if (null? subdirectories)
                  own
                  #~(list #$@subdirectories)))))))

(with-store store
  (parameterize ((%graft? #f))
    (let ((drv (run-with-store store build)))
      (build-derivations store (list drv))
      (format #t "~a~%" (derivation->output-path drv)))))
