;;; tbfg --- A tiny build farm for GNU Guix
;;;
;;; This file is part of tbfg, which is free software under the GNU General
;;; Public License, version 3 or later.  See the file COPYING.

(define-module (tbfg toml)
  #:use-module (guix gexp)
  #:use-module (ice-9 match)
  #:use-module (srfi srfi-1)
  #:export (settings->toml
            toml-file))

;;; Commentary:
;;;
;;; Settings as a TOML file.  A setting is a pair of a key, a list of strings
;;; that begins with the tables it is in, and a value:
;;;
;;;   a string, boolean or number;
;;;   a file-like object, which becomes its file name;
;;;   a vector of values;
;;;   an alist from strings to values, which becomes a table in a line;
;;;   a list of (tables ALIST ...), which becomes [[KEY]] once for each alist.
;;;
;;; If a key is set twice, the last one counts.
;;;
;;; Code:

(define (quoted text)
  "Return TEXT as a basic string of TOML."
  (define (escape char)
    (case char
      ((#\" #\\)
       (string #\\ char))
      (else (if (or (char<? char #\space)
                    (char=? char #\delete))
                (string-append "\\u"
                               (string-pad (number->string (char->integer char)
                                                           16) 4 #\0))
                (string char)))))
  (string-append "\""
                 (string-concatenate (map escape
                                          (string->list text))) "\""))

(define (value->toml value)
  "Return VALUE as a list of strings and file-like objects."
  (match value
    ((? string?)
     (list (quoted value)))
    (#t '("true"))
    (#f '("false"))
    ((? exact-integer?)
     (list (number->string value)))
    ((? real?)
     (list (number->string (exact->inexact value))))
    ((? vector?)
     `("[" ,@(in-a-row (map value->toml
                            (vector->list value))) "]"))
    (((names . values) ...)
     `("{ " ,@(in-a-row (map assignment names values)) " }"))
    ((? file-like?)
     (list "\"" value "\""))))

(define (in-a-row items)
  "Return the concatenation of ITEMS, lists, with commas in between."
  (match items
    (()
     '())
    ((first . rest)
     (append first
             (append-map (lambda (item)
                           (cons ", " item)) rest)))))

(define (assignment name value)
  `(,(if (string-every (char-set-union (ucs-range->char-set 48 58)
                                       (ucs-range->char-set 65 91)
                                       (ucs-range->char-set 97 123)
                                       (char-set #\_ #\-)) name)
         name
         (quoted name)) " = " ,@(value->toml value)))

(define (lines alist)
  (append-map (match-lambda
                ((name . value)
                 (append (assignment name value)
                         '("\n")))) alist))

(define (table-of setting)
  (drop-right (car setting) 1))

(define (last-ones settings)
  "Return SETTINGS without those that come again later."
  (fold-right (lambda (setting rest)
                (if (assoc (car setting) rest) rest
                    (cons setting rest)))
              '() settings))

(define (settings->toml settings)
  "Return SETTINGS as a list of strings and file-like objects that are the text
of a TOML file when put one after the other."
  (define-values (arrays plain)
    (partition (match-lambda
                 ((_ . ('tables . _)) #t)
                 (_ #f))
               (last-ones settings)))
  (define (of-table table)
    (lines (filter-map (lambda (setting)
                         (and (equal? (table-of setting) table)
                              (cons (last (car setting))
                                    (cdr setting)))) plain)))
  (define (name-of table)
    (string-join table "."))
  (append (of-table '())
          (append-map (lambda (table)
                        `("\n[" ,(name-of table) "]\n" ,@(of-table table)))
                      (delete '()
                              (delete-duplicates (map table-of plain))))
          (append-map (match-lambda
                        ((key 'tables . alists)
                         (append-map (lambda (alist)
                                       `("\n[[" ,(name-of key) "]]\n"
                                         ,@(lines alist))) alists))) arrays)))

(define (toml-file name settings)
  "Return a file-like object called NAME with SETTINGS."
  (let ((pieces (settings->toml settings)))
    (if (every string? pieces)
        (plain-file name
                    (string-concatenate pieces))
        (apply mixed-text-file name pieces))))
