SELECT id, built, failed_build, lost FROM outputs WHERE built OR lost OR failed_build IS NOT NULL
