;; A farm on one machine: one line, and everything else as usual.

(use-modules (gnu)
             (gnu services networking)
             (tbfg services))

(operating-system
  (host-name "bedok")
  (bootloader (bootloader-configuration
                (bootloader grub-bootloader)
                (targets '("/dev/sda"))))
  (file-systems (cons (file-system
                        (mount-point "/")
                        (device "/dev/sda1")
                        (type "ext4")) %base-file-systems))
  (services
   (append (list (service dhcpcd-service-type)
                 (service tbfg-service-type)) %base-services)))
