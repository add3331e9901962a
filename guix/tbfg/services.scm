;;; tbfg --- A tiny build farm for GNU Guix
;;;
;;; This file is part of tbfg, which is free software under the GNU General
;;; Public License, version 3 or later.  See the file COPYING.

(define-module (tbfg services)
  #:use-module (tbfg services agent)
  #:use-module (tbfg services collections)
  #:use-module (tbfg services farm)
  #:use-module (tbfg services hooks)
  #:re-export (tbfg-service-type
               tbfg-configuration
               tbfg-configuration?
               tbfg-declared-agent
               tbfg-declared-agent?
               tbfg-collection
               tbfg-collection?
               tbfg-hook
               tbfg-hook?
               tbfg-data-service
               tbfg-data-service?

               tbfg-agent-service-type
               tbfg-agent-configuration
               tbfg-agent-configuration?
               tbfg-agent-password-auth
               tbfg-agent-password-auth?
               tbfg-agent-password-file-auth
               tbfg-agent-password-file-auth?
               tbfg-agent-dynamic-auth
               tbfg-agent-dynamic-auth?
               tbfg-agent-dynamic-auth-with-file
               tbfg-agent-dynamic-auth-with-file?))

;;; Commentary:
;;;
;;; The services of tbfg for an operating-system declaration.
;;;
;;; Code:
