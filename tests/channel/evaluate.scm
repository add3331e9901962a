;; Evaluate everything of the channel in one process, for channel_test.go:
;;
;;   guix repl -L guix -- evaluate.scm OUT COMMAND ARGUMENT... [, COMMAND ...]
;;
;; Commands, each of which writes files in the directory OUT:
;;
;;   system FILE     NAME.drv: the derivation of the operating system in FILE,
;;                   as "guix system build -d --no-grafts" prints it; and what
;;                   our services contribute to it, see WRITE-SERVICE
;;   services FILE   the latter, of a list of services
;;   wrong FILE      NAME.error: how "guix system" refuses the service in FILE
;;   package         inputs: the Go modules that the package is built with
;;   fields          fields: the fields of our records and their keys
;;   test            test.drv: the derivation of the system test
;;   tree DIRECTORY  tree: what .guix-channel, channel.scm and manifest.scm in
;;                   it say, as Guix reads them

(use-modules (gnu)
             (gnu services)
             (gnu services shepherd)
             (gnu system)
             (gnu system shadow)
             (gnu tests)
             (guix channels)
             (guix derivations)
             (guix diagnostics)
             (guix gexp)
             (guix git)
             (guix i18n)
             (guix modules)
             (guix monads)
             (guix packages)
             (guix profiles)
             (guix store)
             (guix ui)
             (ice-9 match)
             (ice-9 pretty-print)
             (srfi srfi-1)
             (srfi srfi-26)
             (srfi srfi-34)
             (tbfg fields)
             (tbfg packages)
             (tbfg services agent)
             (tbfg services collections)
             (tbfg services farm)
             (tbfg services hooks)
             (tbfg tests)
             (tbfg toml))

(define out (cadr (command-line)))
(define store (open-connection))

(define (name-of file)
  (basename file ".scm"))

(define (read-file file)
  "Return the value of FILE.  It is compiled, as Guix's commands do it, since
only then every value has a location."
  (set! %fresh-auto-compile #t)
  (set! %load-should-auto-compile #t)
  (save-module-excursion
   (lambda ()
     (set-current-module
      (make-user-module '((gnu) (guix channels) (guix profiles))))
     (parameterize ((current-warning-port (%make-void-port "w")))
       (load file)))))

(define (write-file name . things)
  (call-with-output-file (string-append out "/" name)
    (lambda (port)
      (for-each (lambda (thing)
                  (display thing port)) things))))

(define (run monadic)
  (run-with-store store monadic))

(define (gexp-code gexp)
  "Return GEXP as it will run on the machine.  What nobody has built here is
replaced by what the tests' machine has."
  (define (local thing)
    (match thing
      ((? string?)
       (if (string-suffix? "/bin/sh" thing) "/bin/sh" thing))
      ((head . tail)
       (cons (local head) (local tail)))
      (_ thing)))
  (local (run (mlet %store-monad ((code (lower-gexp gexp)))
                (return (lowered-gexp-sexp code))))))

(define (write-code name code)
  (call-with-output-file (string-append out "/" name)
    (lambda (port)
      (pretty-print code port))))

(define (extension service target)
  "Return what SERVICE adds to the services of type TARGET, or #f."
  (and=> (find (lambda (extension)
                 (eq? (service-extension-target extension) target))
               (service-type-extensions (service-kind service)))
         (lambda (extension)
           ((service-extension-compute extension) (service-value service)))))

(define (write-service name service)
  "Write what SERVICE contributes: NAME.KIND.toml, NAME.KIND.activation,
NAME.KIND.accounts and NAME.PROVISION.shepherd."
  (define kind
    (symbol->string (service-type-name (service-kind service))))
  (define (file suffix)
    (string-append name "." kind "." suffix))

  (match (extension service etc-service-type)
    (((file-name content))
     (write-file (file "toml")
                 "# /etc/" file-name "\n"
                 (string-concatenate
                  (map (lambda (piece)
                         (if (string? piece) piece (gexp-code #~#$piece)))
                       (settings->toml
                        ((if (eq? (service-kind service) tbfg-service-type)
                             tbfg-settings
                             tbfg-agent-settings)
                         (service-value service)))))))
    (#f #t))
  (write-code (file "activation")
              (gexp-code (extension service activation-service-type)))
  (write-file (file "accounts")
              (string-concatenate
               (map (lambda (account)
                      (if (user-group? account)
                          (format #f "group ~a~%" (user-group-name account))
                          (format #f "user ~a ~a ~a~%"
                                  (user-account-name account)
                                  (user-account-group account)
                                  (user-account-home-directory account))))
                    (extension service account-service-type))))
  (for-each
   (lambda (shepherd)
     (write-code (string-append name "."
                                (symbol->string
                                 (first (shepherd-service-provision shepherd)))
                                ".shepherd")
                 (gexp-code (scheme-file-gexp (shepherd-service-file shepherd)))))
   (extension service shepherd-root-service-type)))

(define %ours
  '(tbfg tbfg-agent guix-build-coordinator-agent))

(define (evaluate-system file)
  (let ((os (read-file file)))
    (write-file (string-append (name-of file) ".drv")
                (derivation-file-name (run (operating-system-derivation os))))
    (write-services file (operating-system-user-services os))))

(define (write-services file services)
  (for-each (lambda (service)
              (when (memq (service-type-name (service-kind service)) %ours)
                (write-service (name-of file) service)))
            services))

(define (evaluate-wrong file)
  (write-file (string-append (name-of file) ".error")
              (guard (c ((formatted-message? c)
                         (format #f "~a: ~a"
                                 (match (and (error-location? c)
                                             (error-location c))
                                   (#f "nowhere")
                                   (location (location->string location)))
                                 (apply format #f
                                        (gettext (formatted-message-string c))
                                        (formatted-message-arguments c)))))
                (let ((service (read-file file)))
                  (for-each (lambda (extension)
                              ((service-extension-compute extension)
                               (service-value service)))
                            (service-type-extensions (service-kind service)))
                  "accepted"))))

(define (write-inputs)
  ;; Where there is no checkout, the source comes from where the channel does.
  (unless (git-checkout? ((@@ (tbfg packages) tbfg-source) #f))
    (error "the package in a channel has no source"))
  (write-file "inputs"
              (string-concatenate
               (delete-duplicates
                (filter-map
                 (match-lambda
                   ((label (? package? package) . _)
                    (and=> (import-path package)
                           (lambda (path)
                             (format #f "~a ~a~%" path
                                     (package-version package)))))
                   (_ #f))
                 (package-transitive-native-inputs tbfg))))))

(define (import-path package)
  "Return the path of the Go module that PACKAGE is, or #f."
  (define (argument keyword)
    (match (memq keyword (package-arguments package))
      ((_ (? string? path) . _) path)
      (_ #f)))
  (or (argument #:unpack-path) (argument #:import-path)))

(define (write-fields)
  (define (keys field value)
    (map car
         ((configuration-field-serializer field)
          (configuration-field-name field) value)))
  (write-file "fields"
              (string-concatenate
               (append-map
                (match-lambda
                  ((record . fields)
                   (map (lambda (field)
                          (format #f "~a ~a ~a~%" record
                                  (configuration-field-name field)
                                  (match (keys field (sample field))
                                    (() "-")
                                    ((key . _) (string-join key ".")))))
                        fields)))
                `((tbfg-configuration . ,tbfg-configuration-fields)
                  (tbfg-agent-configuration . ,tbfg-agent-configuration-fields)
                  (tbfg-declared-agent . ,tbfg-declared-agent-fields)
                  (tbfg-collection . ,tbfg-collection-fields)
                  (tbfg-hook . ,tbfg-hook-fields)
                  (tbfg-data-service . ,tbfg-data-service-fields)
                  (tbfg-agent-password-file-auth
                   . ,tbfg-agent-password-file-auth-fields)
                  (tbfg-agent-dynamic-auth-with-file
                   . ,tbfg-agent-dynamic-auth-with-file-fields))))))

(define (sample field)
  (match (configuration-field-name field)
    ('agents (list (tbfg-declared-agent (name "one"))))
    ('hooks (list (cons 'build-failure "/bin/true")))
    ('collections (list (tbfg-collection (name "one") (team "science"))))
    ('source 'guix)
    ('tags '(("key" . "value")))
    ((or 'derivation-substitute-urls 'systems 'events) '())
    (_ "text")))

(define (write-tree directory)
  (write-file "tree"
              "directory "
              ((@@ (guix channels) channel-metadata-directory)
               ((@@ (guix channels) read-channel-metadata-from-source)
                directory))
              "\n"
              (string-concatenate
               (append (map (lambda (channel)
                              (format #f "channel ~a ~a~%"
                                      (channel-name channel)
                                      (channel-url channel)))
                            (read-file (string-append directory "/channel.scm")))
                       (map (lambda (entry)
                              (format #f "package ~a~%"
                                      (manifest-entry-name entry)))
                            (manifest-entries (read-file (string-append directory "/manifest.scm"))))))))

(define evaluate
  (match-lambda
    (("system" file) (evaluate-system file))
    (("services" file) (write-services file (read-file file)))
    (("wrong" file) (evaluate-wrong file))
    (("package") (write-inputs))
    (("fields") (write-fields))
    (("tree" directory) (write-tree directory))
    (("test") (write-file "test.drv"
                          (derivation-file-name
                           (run (system-test-value %test-tbfg)))))))

(let loop ((commands (cddr (command-line))))
  (let ((command (take-while (negate (cut string=? <> ",")) commands)))
    (evaluate command)
    (match (drop commands (length command))
      (() #t)
      ((_ . rest) (loop rest)))))
