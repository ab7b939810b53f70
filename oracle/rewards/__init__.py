"""What signers earn: who was there in an epoch, what it owes whom, and whether what was posted says the same.

No two operators hold the same signatures of a round: a certificate is complete with weight T, and which members' words come first is
different everywhere. So who was there does not follow from one operator's rounds. Each signs what it has stored (`attended`), weight T
of these words together say it for everybody (`credits`), and what is owed follows from them alone (`report`). The words are posted with
the root, so that anybody can compute it again (`posted`).
"""
