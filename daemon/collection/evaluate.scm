;;; Compute the derivations of packages for tbfg, and print a line of JSON for
;;; each: "guix repl [-L DIRECTORY]... -- evaluate.scm REQUEST".
;;;
;;; REQUEST is an association list, printed as one writes it:
;;;
;;;   ((modules ("gnu" "packages" "maths") ...)   all public packages in them
;;;    (patterns "^gnu/packages/cran\\.scm$" ...) those in modules in such files
;;;    (names "hello" "gcc@14" ...)
;;;    (globs "^python-.*$" ...)                  regular expressions
;;;    (manifests "FILE" ...)
;;;    (systems "x86_64-linux" ...) (targets "aarch64-linux-gnu" ...))
;;;
;;; The lines: first {"guix": VERSION, "commits": [...]}, then one for each
;;; package and system with "name", "version", "variable", "system", "target"
;;; and "derivation" or "error", and at the end {"end": true}.  A package that
;;; cannot be computed is one line among the others.

(use-modules (guix) (guix packages) (guix profiles) (guix discovery) (guix gexp)
             (guix diagnostics) (guix config) (guix utils)
             (gnu packages)
             (srfi srfi-1) (srfi srfi-14) (srfi srfi-35)
             (ice-9 match) (ice-9 regex))

(define request (call-with-input-string (last (command-line)) read))

(define (wanted key) (or (assq-ref request key) '()))

;; What modules print must not get between the lines.
(define out (current-output-port))
(set-port-encoding! out "UTF-8")
(setvbuf out 'line)
(current-output-port (current-error-port))

;;; JSON.

(define special
  (char-set-union (char-set #\" #\\) (ucs-range->char-set 0 32)))

(define (write-text text)
  (write-char #\" out)
  (if (string-index text special)
      (string-for-each
       (lambda (c)
         (case c
           ((#\" #\\) (write-char #\\ out) (write-char c out))
           (else (if (char<? c #\space)
                     (begin
                       (display "\\u" out)
                       (display (string-pad (number->string (char->integer c)
                                                            16)
                                            4 #\0)
                                out))
                     (write-char c out)))))
       text)
      (display text out))
  (write-char #\" out))

(define (write-value value)
  (match value
    ((? string?) (write-text value))
    (#t (display "true" out))
    ((items ...)
     (write-char #\[ out)
     (for-each (lambda (item index)
                 (unless (zero? index) (write-char #\, out))
                 (write-value item))
               items (iota (length items)))
     (write-char #\] out))))

(define (print-line . fields)
  (write-char #\{ out)
  (let loop ((fields fields) (first? #t))
    (match fields
      (() #t)
      ((key value rest ...)
       (unless first? (write-char #\, out))
       (write-text key)
       (write-char #\: out)
       (write-value value)
       (loop rest #f))))
  (write-char #\} out)
  (newline out))

;;; Errors, as text.

(define (condition->text c)
  (cond ((formatted-message? c)
         (apply format #f (formatted-message-string c)
                (formatted-message-arguments c)))
        ((message-condition? c) (condition-message c))
        (else (object->string c))))

(define (error->text key arguments)
  (define text
    (match (cons key arguments)
      (('%exception c) (condition->text c))
      (('quit . _) "it ended the program")
      (_ (call-with-output-string
           (lambda (port) (print-exception port #f key arguments))))))
  (let ((text (string-trim-both text)))
    (if (> (string-length text) 2000) (string-take text 2000) text)))

(define-syntax-rule (or-report (fields ...) body ...)
  ;; BODY's value; or #f, once a line with FIELDS has said why.
  (catch #t
    (lambda () body ...)
    (lambda (key . arguments)
      (print-line fields ... "error" (error->text key arguments))
      #f)))

;;; Packages, as pairs of a package and the name of the variable that holds it.

(define (module-packages name)
  (or (or-report ("name" (string-append "module "
                                        (string-join name "/") ".scm"))
        (let ((module (resolve-interface (map string->symbol name))))
          (module-map (lambda (symbol variable)
                        (cons (and (variable-bound? variable)
                                   (variable-ref variable))
                              (symbol->string symbol)))
                      module)))
      '()))

(define (module-files)
  ;; The files of package modules, relative to the load path.
  (append-map
   (lambda (entry)
     (match entry
       ((directory . sub)
        (map (lambda (file)
               (string-drop file (+ 1 (string-length directory))))
             (scheme-files (string-append directory "/" sub))))
       (directory
        (map (lambda (file)
               (string-drop file (+ 1 (string-length directory))))
             (scheme-files directory)))))
   (%package-module-path)))

(define (file->module file)
  (string-split (string-drop-right file (string-length ".scm")) #\/))

(define (named-package specification)
  (call-with-values
      (lambda () (package-name->name+version specification #\@))
    (lambda (name version)
      (match (find-best-packages-by-name name version)
        ((package . _) (list (cons package "")))
        (() (print-line "name" name
                        "error" "there is no package of this name")
            '())))))

(define (glob-packages patterns)
  (define regexps (map make-regexp patterns))
  (if (null? patterns)
      '()
      (fold-packages (lambda (package result)
                       (if (any (lambda (regexp)
                                  (regexp-exec regexp (package-name package)))
                                regexps)
                           (cons (cons package "") result)
                           result))
                     '())))

(define (manifest-items file)
  (define module (make-fresh-user-module))
  (for-each (lambda (interface)
              (module-use! module (resolve-interface interface)))
            '((guix profiles) (gnu)))
  (map (lambda (entry) (cons (manifest-entry-item entry) ""))
       (manifest-entries (save-module-excursion
                          (lambda ()
                            (set-current-module module)
                            (primitive-load file))))))

(define items
  (let* ((regexps (map make-regexp (wanted 'patterns)))
         (modules (append
                   (wanted 'modules)
                   (if (null? regexps)
                       '()
                       (filter-map (lambda (file)
                                     (and (any (lambda (regexp)
                                                 (regexp-exec regexp file))
                                               regexps)
                                          (file->module file)))
                                   (module-files)))))
         (all (append
               (filter (match-lambda ((object . _) (package? object)))
                       (append-map module-packages
                                   (delete-duplicates modules)))
               (append-map named-package (wanted 'names))
               (glob-packages (wanted 'globs))
               (append-map manifest-items (wanted 'manifests))))
         (seen (make-hash-table)))
    ;; Some packages have two names.
    (filter (match-lambda
              ((object . _)
               (and (not (hashq-ref seen object))
                    (hashq-set! seen object #t))))
            all)))

;;; Derivations.

(define (item-name item)
  (if (package? item) (package-name item) (object->string item)))

(define (item-version item)
  (if (package? item) (package-version item) ""))

(define (compute store item system target)
  (derivation-file-name
   (cond ((and (package? item) target)
          (package-cross-derivation store item target system #:graft? #f))
         ((package? item)
          (package-derivation store item system #:graft? #f))
         (else
          (run-with-store store
            (lower-object item system #:target target)
            #:system system #:target target)))))

(define (print-derivation store item variable system target)
  (let* ((fields (list "name" (item-name item) "version" (item-version item)
                       "variable" variable "system" system
                       "target" (or target "")))
         (print (lambda (key value)
                  (apply print-line (append fields (list key value))))))
    (catch #t
      (lambda ()
        (let ((derivation (compute store item system target)))
          (print "derivation" derivation)))
      (lambda (key . arguments)
        (print "error" (error->text key arguments))))))

(define (supported? item system)
  (or (not (package? item))
      (member system (package-supported-systems item))))

(define (channel-commits)
  (catch #t
    (lambda ()
      (map (@ (guix channels) channel-commit)
           ((@ (guix describe) current-channels))))
    (const '())))

(print-line "guix" %guix-version "commits" (channel-commits))
(with-store store
  (parameterize ((%graft? #f))
    (for-each
     (lambda (system)
       (for-each (match-lambda
                   ((item . variable)
                    (when (supported? item system)
                      (print-derivation store item variable system #f)
                      (for-each (lambda (target)
                                  (print-derivation store item variable
                                                    system target))
                                (wanted 'targets)))))
                 items))
     (wanted 'systems))))
(print-line "end" #t)
