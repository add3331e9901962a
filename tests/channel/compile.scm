;; Compile the channel's modules as "guix pull" does:
;;
;;   guix repl -- compile.scm GUIX OUT

(use-modules (guix build compile)
             (guix build utils)
             (ice-9 match))

(match (command-line)
  ((_ modules out)
   (add-to-load-path modules)
   (chdir modules)
   (compile-files modules out
                  (map (lambda (file)
                         (string-drop file 2))
                       (find-files "." "\\.scm$"))
                  #:workers 1
                  #:report-load (const #f)
                  #:report-compilation (const #f))))
