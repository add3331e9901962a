;; The service that Guix itself has for agents, unchanged but for its package.

(use-modules (gnu)
             (gnu services guix)
             (gnu services networking)
             (tbfg packages))

(operating-system
  (host-name "small")
  (bootloader (bootloader-configuration
                (bootloader grub-bootloader)
                (targets '("/dev/sda"))))
  (file-systems (cons (file-system
                        (mount-point "/")
                        (device "/dev/sda1")
                        (type "ext4")) %base-file-systems))
  (services
   (append
    (list
     (service dhcpcd-service-type)
     (service guix-build-coordinator-agent-service-type
       (guix-build-coordinator-agent-configuration
         (package tbfg)
         (coordinator "https://farm.example.org")
         (authentication
           (guix-build-coordinator-agent-password-file-auth
             (uuid "e092df28-3418-4f94-b7f0-a214b03291ee")
             (password-file "/etc/guix-build-coordinator/password")))
         (systems '("x86_64-linux"))
         (max-parallel-builds 2))))
    %base-services)))
