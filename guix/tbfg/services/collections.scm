;;; tbfg --- A tiny build farm for GNU Guix
;;;
;;; This file is part of tbfg, which is free software under the GNU General
;;; Public License, version 3 or later.  See the file COPYING.

(define-module (tbfg services collections)
  #:use-module (ice-9 match)
  #:use-module (srfi srfi-1)
  #:use-module (tbfg fields)
  #:use-module (tbfg services common)
  #:use-module (tbfg types)
  #:export (tbfg-collection
            tbfg-collection?
            tbfg-collection-name
            tbfg-collection-fields

            collections-settings))

;;; Commentary:
;;;
;;; Sets of packages of which the farm gives an account.
;;;
;;; Code:

(define %fields-of-sources
  ;; The sources, and the fields that are for one of them only.
  '((guix guix channels load-path manifests)
    (data-service url repository branch revision)
    (file file)))

(define-field-type (collection-source value)
  (and (not (assq value %fields-of-sources))
       (format #f "~s is not one of guix, data-service and file" value)))

(define-settings tbfg-collection
  (name (name)
        (in "") "The collection's name, as @command{tbfg report} takes it.")
  (source (collection-source 'guix)
          (lambda (field value)
            `((("source") unquote
               (symbol->string value))))
          "Where its derivations come from: @code{guix}, @code{data-service} or
@code{file}, a symbol.")

  ;; Of the source data-service.
  (url (maybe-url #f)
       (in "") "URL of the Guix Data Service.")
  (repository (maybe-text #f)
              (in "")
              "Number, label or URL of the repository there; @code{#f} for the
first.")
  (branch (maybe-text #f)
          (in "") "Its branch; @code{#f} for master.")
  (revision (maybe-text #f)
            (in "")
            "A commit; @code{#f} for the latest one that the service has
processed.")

  ;; Of the source guix.
  (guix (maybe-file #f)
        (in "") "The program guix; @code{#f} for the system's.")
  (channels (maybe-file #f)
            (in "")
            "A file with channels for @command{guix time-machine}; @code{#f}
for the Guix that is there.")
  (load-path (files '())
             (in "")
             "List of directories with package modules, as @command{guix -L}
takes them.")
  (manifests (files '())
             (in "") "List of files with manifests.")

  ;; Of the source file.
  (file (maybe-file #f)
        (in "") "A file with derivations, one a line.")

  ;; Which packages, and how.
  (packages (texts '())
            (in "")
            "List of names of packages, or patterns such as
@code{\"python-*\"}.")
  (modules (texts '())
           (in "")
           "List of modules all of whose packages are taken, such as
@code{\"gnu/packages/maths.scm\"}.")
  (team (maybe-text #f)
        (in "")
        "A team of Guix, such as @code{\"science\"}: the modules in its
scope.")
  (systems (systems '())
           (in "")
           "List of the systems to build for; the empty list for this
machine's.")
  (targets (texts '())
           (in "")
           "List of what to cross-compile for besides, such as
@code{\"aarch64-linux-gnu\"}.")
  (priority (maybe-integer #f)
            (in "")
            "Priority of the builds; @code{#f} for -100, below what people
submit.")
  (with-inputs? (flag #f)
                (flag-in "") "Whether to submit builds of their inputs too.")
  (schedule (maybe-schedule #f)
            (in "")
            "When to update: an interval such as @code{\"6h\"}, or a time in
UTC such as @code{\"04:30\"} or @code{\"mon,thu 04:30\"}; @code{#f} for never
by itself."))

(define-field-type (collections value)
  (and (not (and (list? value)
                 (every tbfg-collection? value)))
       (format #f "~s is not a list of tbfg-collection records" value)))

(define (check-source collection)
  "Fail if COLLECTION lacks what its source needs, or has what it does not."
  (define source
    (tbfg-collection-source collection))

  (define (set? name)
    (let ((field (find (lambda (field)
                         (eq? name
                              (configuration-field-name field)))
                       tbfg-collection-fields)))
      (not (memv ((configuration-field-getter field) collection)
                 '(#f ())))))

  (define (refuse problem)
    (reject (tbfg-collection-source-location collection)
            'collections
            (format #f "~s: ~a"
                    (tbfg-collection-name collection) problem)))

  (for-each (match-lambda
              ((other . fields)
               (and=> (and (not (eq? other source))
                           (find set? fields))
                      (lambda (field)
                        (refuse (format #f "~a is for the source ~a" field
                                        other))))))
            %fields-of-sources)
  (match source
    ('guix
     (unless (any set?
                  '(packages modules team manifests))
       (refuse "choose packages, modules, a team or manifests")))
    ('data-service
     (unless (set? 'url)
       (refuse "the source data-service needs a url")))
    ('file
     (unless (set? 'file)
       (refuse "the source file needs a file"))
     (and=> (find set?
                  '(packages modules team systems targets))
            (lambda (field)
              (refuse (format #f "all derivations of a file are taken: ~a is \
not for it" field)))))))

(define (collections-settings field collections)
  "The serializer of collections."
  (check-names field "collections" collections tbfg-collection-name
               tbfg-collection-source-location)
  (for-each check-source collections)
  (tables "collections" collections tbfg-collection-fields))
