module hello-timber/app

go 1.26
