;;; tbfg --- A tiny build farm for GNU Guix
;;;
;;; This file is part of tbfg, which is free software under the GNU General
;;; Public License, version 3 or later.  See the file COPYING.

(define-module (tbfg fields)
  #:use-module (gnu services configuration)
  #:use-module ((guix diagnostics)
                #:select (formatted-message &error-location))
  #:use-module (guix i18n)
  #:use-module ((guix utils)
                #:select (source-properties->location))
  #:use-module (srfi srfi-1)
  #:use-module (srfi srfi-34)
  #:use-module (srfi srfi-35)
  #:export (define-field-type
            define-settings
            reject
            checked
            in
            flag-in
            nowhere
            settings-of)
  #:re-export (configuration-field-name configuration-field-documentation
                                        configuration-field-getter
                                        configuration-field-serializer))

;;; Commentary:
;;;
;;; Records whose fields say how they are checked, and which key of the
;;; configuration file they become.
;;;
;;; Code:

(define (reject location field problem)
  "Fail because of PROBLEM, a sentence, with the value of FIELD at LOCATION."
  (raise (apply make-compound-condition
                (formatted-message (G_ "tbfg: ~a: ~a") field problem)
                (if location
                    (list (condition (&error-location (location location))))
                    '()))))

(define (checked value field problem location)
  "Return VALUE if PROBLEM, a procedure, finds nothing wrong with it."
  (cond
    ((not (maybe-value-set? value))
     (reject #f field "this field must be set"))
    ((problem value)
     =>
     (lambda (sentence)
       (reject location field sentence)))
    (else value)))

(define-syntax define-field-type
  (lambda (s)
    "Define the type NAME of fields, by the procedure NAME-problem: BODY says in
a sentence what is wrong with VALUE, or returns #f.  A field of type maybe-NAME
may also be #f."
    (define (derive id before after)
      (datum->syntax id
                     (symbol-append before
                                    (syntax->datum id) after)))
    (syntax-case s ()
      ((_ (name value) body ...)
       (with-syntax ((problem (derive #'name '#{}# '-problem))
                     (predicate (derive #'name '#{}# '?))
                     (maybe-problem (derive #'name 'maybe- '-problem))
                     (maybe-predicate (derive #'name 'maybe- '?)))
         #'(begin
             (define (problem value)
               body ...)
             (define (predicate value)
               (not (problem value)))
             (define (maybe-problem value)
               (and value
                    (problem value)))
             (define (maybe-predicate value)
               (not (maybe-problem value)))
             (export problem predicate maybe-problem maybe-predicate)))))))

(define-syntax-rule (define-sanitizer name field problem)
  ;; A macro, since only a macro learns where the value stands.
  (define-syntax name
    (lambda (s)
      (syntax-case s ()
        ((_ value)
         (with-syntax ((properties (datum->syntax s
                                                  (syntax-source #'value))))
           #'(checked value
                      'field problem
                      (and=> 'properties source-properties->location))))
        (id (identifier? #'id)
            #'(lambda (value)
                (checked value
                         'field problem #f)))))))

(define-syntax define-settings
  (lambda (s)
    "Define the record type STEM, as define-configuration does.  Each FIELD has
a type and perhaps a default; SERIALIZE is a procedure that takes the field's
name and value and returns settings: see (tbfg toml)."
    (define (type-of type+default)
      (syntax-case type+default ()
        ((type _ ...)
         #'type)))
    (syntax-case s ()
      ((_ stem
          (field type+default serialize doc) ...)
       (with-syntax (((check ...)
                      (map (lambda (field)
                             (datum->syntax #'stem
                                            (symbol-append '%
                                                           (syntax->datum #'stem)
                                                           '-
                                                           (syntax->datum field)
                                                           '/checked)))
                           #'(field ...)))
                     ((problem ...)
                      (map (lambda (type+default)
                             (let ((type (type-of type+default)))
                               (datum->syntax type
                                              (symbol-append (syntax->datum
                                                              type)
                                                             '-problem))))
                           #'(type+default ...))))
         #'(begin
             (define-sanitizer check field problem) ...
             (define-configuration stem
               (field type+default doc
                      (sanitizer check)
                      (serializer serialize)) ...)))))))

(define (settings-of config fields)
  "Return the settings that FIELDS of CONFIG become."
  (append-map (lambda (field)
                ((configuration-field-serializer field)
                 (configuration-field-name field)
                 ((configuration-field-getter field) config))) fields))


;;;
;;; Serializers.
;;;

(define (key-of field)
  "Return the key that FIELD, a symbol, becomes."
  (string-map (lambda (char)
                (if (char=? char #\-) #\_ char))
              (string-trim-right (symbol->string field) #\?)))

(define* (flag-in table #:optional key)
  "Return the serializer of a field that is KEY, or else called like the field,
in TABLE, a string, or on top if that is empty."
  (lambda (field value)
    `(((,@(if (string-null? table)
              '()
              (list table)) ,(or key
                                 (key-of field))) unquote value))))

(define* (in table #:optional key)
  "Return a serializer like that of FLAG-IN which leaves out what is #f: the
program's own default counts."
  (lambda (field value)
    (if value
        ((flag-in table key) field
         (if (list? value)
             (list->vector value) value))
        '())))

(define (nowhere field value)
  "The serializer of a field that is not in the configuration file."
  '())
